"""compiler/joins.py: which values stand side by side in one buffer."""

from tvm import relax

from compiler.joins import Place, nbytes, place_joins


def value(name: str, elements: int = 16) -> relax.Var:
    return relax.Var(name, relax.TensorType((1, elements), "float32"))


A, B, C = (value(name) for name in "abc")
AB, ABC = value("ab", 32), value("abc", 48)


def test_bytes() -> None:
    assert nbytes(AB) == 128


def test_parts_stand_one_behind_the_other() -> None:
    places = place_joins({AB: [A, B]}, set())
    assert places.of == {A: Place(AB, 0), B: Place(AB, 64), AB: Place(AB, 0)}
    assert not places.copied


def test_a_prefix_lies_in_the_longest_join() -> None:
    places = place_joins({AB: [A, B], ABC: [A, B, C]}, set())
    assert places.of[AB] == Place(ABC, 0)
    assert places.of[C] == Place(ABC, 128)
    assert not places.copied


def test_a_run_in_the_middle_too() -> None:
    bc = value("bc", 32)
    places = place_joins({bc: [B, C], ABC: [A, B, C]}, set())
    assert places.of[bc] == Place(ABC, 64)


def test_what_has_a_place_is_copied() -> None:
    ba, aa = value("ba", 32), value("aa", 32)
    assert place_joins({AB: [A, B]}, {A}).copied == {(AB, 0)}
    assert place_joins({AB: [A, B], ba: [B, A]}, set()).copied == {(ba, 0), (ba, 1)}
    assert place_joins({aa: [A, A]}, set()).copied == {(aa, 1)}
