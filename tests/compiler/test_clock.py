import math
import time

from compiler import clock


def test_without_a_limit_there_is_all_the_time() -> None:
    clock.start(None)
    assert clock.left() == math.inf


def test_a_limit_comes_nearer() -> None:
    clock.start(time.monotonic() + 10)
    try:
        assert 9 < clock.left() <= 10
    finally:
        clock.start(None)
