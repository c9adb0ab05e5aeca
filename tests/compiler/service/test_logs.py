import json
import logging
import sys
from io import StringIO
from typing import Any

import pytest

from compiler.service import logs


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What a program's log is written to, of a process whose logging this test may change."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", logging.WARNING)
    stream = StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.start("serve")
    return stream


def lines(told: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.getvalue().splitlines()]


def test_a_record_is_a_line_with_its_members(told: StringIO) -> None:
    logging.getLogger("compiler.x").info(
        "job %s", "claimed", extra={"job": "a\nb", "attempt": 7, "color_message": "x"}
    )
    logging.getLogger("compiler.x").debug("not told")
    [line] = lines(told)
    assert (line["message"], line["job"], line["attempt"]) == ("job claimed", "a\nb", 7)
    assert (line["level"], line["logger"], line["program"]) == ("INFO", "compiler.x", "serve")
    assert "color_message" not in line
    assert line["time"].startswith("20") and line["process"]


def test_a_trace_stays_in_its_line(told: StringIO) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger().exception("failed")
    [line] = lines(told)
    assert "ValueError: broken" in line["trace"]
