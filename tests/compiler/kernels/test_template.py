"""compiler/kernels/template.py: spaces of settings."""

from compiler.kernels.template import FIXED, Space


def test_a_space_holds_every_combination() -> None:
    space = Space({"vectors": (1, 2), "columns": (3, 4, 5)})
    assert len(space) == 6
    assert next(iter(space)) == {"vectors": 1, "columns": 3}


def test_a_fixed_space_is_one_point() -> None:
    assert list(FIXED) == [{}]


def test_what_is_not_sound_is_not_in_a_space() -> None:
    space = Space({"rows": (1, 2, 3), "parts": (1, 2)}, lambda p: p["parts"] > 1 or p["rows"] < 3)
    assert len(space) == 5 and all(point in space for point in space)
    assert {"rows": 3, "parts": 1} not in space and {"rows": 3, "parts": 2} in space
    assert {"rows": 4, "parts": 2} not in space and {"rows": 1} not in space
