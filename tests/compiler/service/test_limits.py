import pytest

from compiler.service.faults import Fault
from compiler.service.limits import Limits


def test_a_key_has_its_rate_and_its_burst() -> None:
    now = [0.0]
    limits = Limits(rate=2, burst=3, clock=lambda: now[0])

    def calls(key: str) -> int:
        done = 0
        while True:
            try:
                limits.take(key)
            except Fault as fault:
                assert fault.code == "ThrottlingException"
                return done
            done += 1

    assert calls("a") == 3
    assert calls("b") == 3
    now[0] = 1.0
    assert calls("a") == 2
    now[0] = 100.0
    assert calls("a") == 3


def test_a_refused_call_costs_nothing() -> None:
    now = [0.0]
    limits = Limits(rate=1, burst=1, clock=lambda: now[0])
    limits.take("a")
    for _ in range(10):
        now[0] += 0.099
        with pytest.raises(Fault):
            limits.take("a")
    now[0] = 1.0
    limits.take("a")
