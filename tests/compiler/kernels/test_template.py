"""compiler/kernels/template.py: spaces of settings."""

from compiler.kernels.template import FIXED, Space


def test_a_space_holds_every_combination() -> None:
    space = Space({"vectors": (1, 2), "columns": (3, 4, 5)})
    assert len(space) == 6
    assert next(iter(space)) == {"vectors": 1, "columns": 3}


def test_a_fixed_space_is_one_point() -> None:
    assert list(FIXED) == [{}]
