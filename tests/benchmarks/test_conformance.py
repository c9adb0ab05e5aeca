"""benchmarks/conformance.py: how cases end, and the official suite itself, every twentieth case."""

import ctypes
import time
import unittest
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

from benchmarks import conformance
from benchmarks.conformance import Case, Outcome
from compiler.errors import ServerError
from frontends.model import ModelError

EVERY = 20
PASSING = 0.9  # of the sample, at least; the rest is refused


class Cases(unittest.TestCase):
    def passes(self) -> None:
        pass

    def differs(self) -> None:
        np.testing.assert_allclose(np.zeros(3), np.ones(3))

    def refused(self) -> None:
        raise ModelError("node 'n' (Op, opset 17): too large\nmore")

    def breaks(self) -> None:
        raise ServerError("linking failed")

    def dies(self) -> None:
        ctypes.string_at(0)

    def hangs(self) -> None:
        time.sleep(60)


def test_every_end_is_told_apart() -> None:
    names = ("passes", "differs", "refused", "breaks", "dies", "hangs")
    cases = [Case("Node", f"test_{name}_cpu", Cases(name)) for name in names]
    found = conformance.judge(cases, 2, limit_s=3.0)
    assert [outcome.name for outcome in found] == [f"test_{name}" for name in names]
    assert [(o.state, o.reason) for o in found] == [
        ("passed", ""),
        (
            "failed",
            "Not equal to tolerance rtol=1e-07, atol=0; Mismatched elements: 3 / 3 (100%); "
            "Max absolute difference among violations: 1.; "
            "Max relative difference among violations: 1.",
        ),
        ("refused", "Op: too large"),
        ("crashed", "linking failed"),
        ("crashed", "Fatal Python error: Segmentation fault"),
        ("crashed", "Timeout (0:00:03)!"),
    ]
    assert conformance.score(found) == "16.7% of 6 cases: 1 passed, 1 failed, 3 crashed, 1 refused"


def test_a_cause_is_what_cases_share() -> None:
    assert conformance.cause(
        "ClientError: InputConfiguration: TVM cannot convert ONNX model. Please make sure the "
        "framework you selected is correct. node 'a' (ai.onnx.ml::Op, opset 3): no\nmore"
    ) == "ai.onnx.ml::Op: no"  # fmt: skip
    assert conformance.cause(
        "ClientError: The model needs operators that no kernel computes yet: relax.sum of int8 "
        "[2, 3], relax.max of int8 [], relax.sum of int8 [1]. Replace them in the model."
    ) == "no kernel: relax.max of int8, relax.sum of int8"  # fmt: skip


def test_the_table_groups_by_reason_the_commonest_first() -> None:
    outcomes = [
        Outcome("Node", "test_a", "passed", folded=True),
        Outcome("Node", "test_b", "refused", "rare"),
        Outcome("Real", "test_d", "refused", "a | b"),
        Outcome("Real", "test_c", "refused", "a | b"),
    ]
    text = conformance.table(outcomes, "here.")
    assert "| Node | 1 | 0 | 0 | 1 |\n| Real | 0 | 0 | 0 | 2 |\n| all | 1 | 0 | 0 | 3 |" in text
    assert "1 have only inputs that the compiler must know" in text
    assert text.endswith(
        "## Refused\n\n| reason | cases |\n|---|---|\n| a \\| b | c, d |\n| rare | b |\n"
    )


@pytest.mark.slow
def test_a_sample_of_the_suite() -> None:
    """No answer is wrong, and nothing crashes."""
    sample = sorted(conformance.cases(), key=lambda case: case.name)[::EVERY]
    outcomes = conformance.judge(sample, 2)
    bad = [o for o in outcomes if o.state in ("failed", "crashed")]
    assert not bad
    assert Counter(o.state for o in outcomes)["passed"] >= PASSING * len(sample)


def test_scalars_in_sequences_are_compared() -> None:
    one, two = np.array(1.0, np.float32), np.array(2.0, np.float32)
    conformance.Suite.assert_similar_outputs([[one, two]], [[one, two]], 1e-3, 1e-7)
    with pytest.raises(AssertionError):
        conformance.Suite.assert_similar_outputs([[one, two]], [[one, one]], 1e-3, 1e-7)


def test_parts_of_one_commit_come_together() -> None:
    first, again, second = (
        Outcome("Node", name, "passed", seconds=n)
        for n, name in enumerate(("test_a", "test_a", "test_b"))
    )
    before = {"commit": "one", "cases": [asdict(first)]}
    known = {"commit": "one"}
    assert conformance.merged(before, [again, second], known) == [again, second]
    assert conformance.merged(before, [second], known) == [first, second]
    assert conformance.merged(before, [second], {"commit": "two"}) == [second]


@pytest.mark.parametrize("text", ["0/3", "4/3", "2", "a/b"])
def test_a_part_is_one_of_several(text: str) -> None:
    assert conformance.part("2/3") == (2, 3)
    with pytest.raises(ValueError):
        conformance.part(text)
