import io
import json
import time
from dataclasses import replace

import pytest
from rich.console import Console

from compiler import view
from compiler.job import Outcome
from compiler.progress import Event

DONE = Outcome(
    status="COMPLETED",
    seconds=83.04,
    phases=(("fetch", 0.5), ("upload", 1.25)),
    warnings=("old opset",),
    uri="s3://bucket/[net]-ml_c5.tar.gz",
    digest="ab" * 64,
    size=12_340_000,
    manifest={
        "parity": {"relative": 2.5e-7},
        "latency": {"median_ms": 4.312},
        "warnings": ["old opset", "no names"],
        "kernels": [
            {"template": "pool", "output": [1, 8], "flops": 0, "bytes": 100, "calls": [["pool"]]},
            {
                "template": "conv",
                "output": [1, 4],
                "flops": 1200,
                "bytes": 10,
                "calls": [["a", "relu"], ["b"]],
            },
            {"template": "any", "output": [1], "flops": 0, "bytes": 0, "calls": [[]]},
        ],
    },
)
FAILED = Outcome(
    status="FAILED",
    seconds=0.2,
    phases=(("fetch", 0.2),),
    reason="ClientError: S3 object does not exist. Bucket: b, Key: [k]",
)


def shown(outcome: Outcome) -> str:
    console = Console(file=io.StringIO(), soft_wrap=True)
    for line in view.summary(outcome):
        console.print(line)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_summary_of_success() -> None:
    assert shown(DONE) == (
        "done in 1 min 23 s\n"
        "  artifact  s3://bucket/[net]-ml_c5.tar.gz\n"
        "  size      12.3 MB\n"
        "  parity    2.5e-07 of the outputs' scale, at most\n"
        "  latency   4.31 ms, median\n"
        "  warning   old opset\n"
        "  warning   no names\n"
    )
    stepwise = replace(DONE, manifest={"parity": {"relative": 1e-6, "steps": {"tensors": 5}}})
    assert "1.0e-06 of the outputs' scale, step by step\n" in shown(stepwise)


def test_the_summary_of_failure() -> None:
    assert shown(FAILED) == (
        "failed after 0.2 s during fetch\n"
        "  ClientError: S3 object does not exist. Bucket: b, Key: [k]\n"
    )


def test_what_is_not_known_is_left_out() -> None:
    bare = Outcome("COMPLETED", 1.0, (), uri="a", digest="b", size=1)
    assert shown(bare) == "done in 1.0 s\n  artifact  a\n  size      1 B\n"


def test_members_are_always_all_there() -> None:
    done, failed = view.members(DONE), view.members(FAILED)
    assert done.keys() == failed.keys()
    assert done["status"] == "COMPLETED"
    assert done["artifact"] == DONE.uri
    assert done["phases"] == [
        {"name": "fetch", "seconds": 0.5},
        {"name": "upload", "seconds": 1.25},
    ]
    assert done["warnings"] == ["old opset", "no names"]
    assert failed["reason"] == FAILED.reason
    assert failed["artifact"] is None


def test_layers_come_by_their_share_of_the_estimated_time() -> None:
    assert view.members(DONE)["layers"] == [
        {"layers": "a + relu, b", "template": "conv", "calls": 2, "output": [1, 4], "share": 0.75},
        {"layers": "pool", "template": "pool", "calls": 1, "output": [1, 8], "share": 0.25},
        {"layers": "", "template": "any", "calls": 1, "output": [1], "share": 0},
    ]
    assert view.members(FAILED)["layers"] == []


def test_what_programs_are_told_of_layers_is_bounded() -> None:
    kernel = {"template": "conv", "output": [1], "flops": 9, "bytes": 1, "calls": [["x" * 1000]]}
    told = view.members(replace(DONE, manifest={"kernels": [kernel] * 1000}))
    assert len(json.dumps(told["layers"])) < 80_000


def events() -> list[Event]:
    now = time.monotonic()
    return [
        Event("phase", "fetch", None, now),
        Event("value", "percent", 40, now),
        Event("phase", "lower", None, now + 12.3),
        Event("note", "[conv] 3 of 5", None, now + 13),
        Event("warning", "old opset", None, now + 14),
    ]


def test_off_a_terminal_there_are_plain_lines() -> None:
    file = io.StringIO()
    with view.watch(Console(file=file), limit_s=None) as sink:
        for event in events():
            sink(event)
    assert file.getvalue() == (
        "[  0.0s] fetch\n[ 12.3s] lower\n[ 13.0s]   [conv] 3 of 5\n[ 14.0s]   warning: old opset\n"
    )


def test_on_a_terminal_the_phases_are_a_list() -> None:
    board = view.Board(time.monotonic() - 5, limit_s=60)
    for event in events()[:4]:
        board.add(event)
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=60)
    console.print(board.render())
    assert isinstance(console.file, io.StringIO)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert lines[0].startswith("✓ fetch")
    assert "lower" in lines[1] and lines[1].endswith("[conv] 3 of 5")
    assert lines[2].strip() == "unpack"
    assert lines[-1].startswith("  5.") and "elapsed, 5" in lines[-1]


def test_the_live_list_leaves_the_terminal_clean() -> None:
    file = io.StringIO()
    with view.watch(Console(file=file, force_terminal=True), limit_s=None) as sink:
        sink(events()[0])
    assert file.getvalue().endswith("\x1b[2K")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert view.duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(812, "812 B"), (1200, "1.2 kB"), (97.4e6, "97.4 MB"), (2e9, "2.0 GB")]
)
def test_sizes(size: float, text: str) -> None:
    assert view.bytes_text(size) == text


def test_tuning_shows_how_far_it_is() -> None:
    board, now = view.Board(time.monotonic(), limit_s=None), time.monotonic()
    state = {"ms": 4.0, "trials": 17, "left_s": 8.5}
    for event in (Event("phase", "tune", None, now), Event("value", "tuning", state, now)):
        board.add(event)
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=60)
    console.print(board.render())
    assert isinstance(console.file, io.StringIO)
    assert "best 4.00 ms, 17 trials, 8 s left" in console.file.getvalue()


def test_a_program_gets_every_event_as_json() -> None:
    console = Console(file=io.StringIO())
    with view.watch(console, None, as_json=True) as sink:
        sink(Event("value", "percent", 50, 1.5))
    assert isinstance(console.file, io.StringIO)
    told = {"kind": "value", "name": "percent", "value": 50, "at": 1.5}
    assert json.loads(console.file.getvalue()) == told
