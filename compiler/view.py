"""What a person or a program sees of a job: a live list of phases, plain lines, a summary, JSON."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from compiler import knobs
from compiler.job import Outcome
from compiler.progress import PHASES, Event, Sink

REFRESH_HZ = 8
BALANCE = (
    8  # operations that take about as long as one byte, from cache, on cores with wide vectors
)
LAYERS, LAYER_TEXT = 200, 200  # told to programs: kernels, and characters of their layers' names
VALUES = {  # that a live view shows, and how
    "percent": "{} %",
    "tuning": "best {0[ms]:.2f} ms, {0[trials]} trials, {0[left_s]:.0f} s left",
}


@contextmanager
def watch(console: Console, limit_s: int | None, as_json: bool = False) -> Iterator[Sink]:
    """A sink that shows a job on `console` while the block runs: live on a terminal, else lines;
    or every event as a line of JSON."""
    if as_json:
        yield lambda event: print(json.dumps(asdict(event)), file=console.file, flush=True)
        return
    board = Board(time.monotonic(), limit_s)
    if not console.is_terminal or knobs.current().trace:  # a trace would run through the list
        yield lambda event: _print_line(console, board, event)
        return
    with Live(
        get_renderable=board.render,
        console=console,
        transient=True,
        refresh_per_second=REFRESH_HZ,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield board.add


class Board:
    """The state of a job as its events tell it, drawn as a list of phases."""

    def __init__(self, started: float, limit_s: int | None) -> None:
        self._started = started
        self._limit_s = limit_s
        self._begun: dict[str, float] = {}
        self._detail = ""

    def add(self, event: Event) -> None:
        if event.kind == "phase":
            self._begun[event.name] = event.at
            self._detail = ""
        elif event.kind == "value":
            show = VALUES.get(event.name)
            self._detail = show.format(event.value) if show else self._detail
        else:
            self._detail = event.name

    def since_start(self, event: Event) -> float:
        return event.at - self._started

    def render(self) -> RenderableType:
        now = time.monotonic()
        rows = Table.grid(padding=(0, 1))
        begun = list(self._begun.items())
        for (name, begin), (_, end) in pairwise(begun):
            rows.add_row(Text("✓", "green"), name, Text(f"{end - begin:.1f} s", "dim"))
        if begun:
            name, begin = begun[-1]
            doing = Text(f"{now - begin:.1f} s  {self._detail}")
            rows.add_row(Spinner("dots", style="cyan"), Text(name, "bold"), doing)
        for name in PHASES:
            if name not in self._begun:
                rows.add_row("", Text(name, "dim"), "")
        return Group(rows, self._clock(now))

    def _clock(self, now: float) -> Text:
        elapsed = now - self._started
        text = f"  {duration(elapsed)} elapsed"
        if self._limit_s is not None:
            text += f", {duration(max(0, self._limit_s - elapsed))} left"
        return Text(text, "dim")


def _print_line(console: Console, board: Board, event: Event) -> None:
    """`[ 12.3s] lower`; a note stands indented under its phase."""
    words = {"phase": event.name, "note": f"  {event.name}", "warning": f"  warning: {event.name}"}
    if event.kind in words:
        plain(console, f"[{board.since_start(event):5.1f}s] {words[event.kind]}")


def plain(console: Console, text: str) -> None:
    """As it is: no markup, no highlighting, no wrapping."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def summary(outcome: Outcome) -> list[str]:
    """A few lines of rich markup about a job that ended."""
    if outcome.reason:
        during = f" during {outcome.phases[-1][0]}" if outcome.phases else ""
        head = f"[bold red]failed[/] after {duration(outcome.seconds)}{during}"
        return [head, f"  {escape(outcome.reason)}", *_warnings(outcome)]
    facts = {
        "artifact": escape(outcome.uri or ""),
        "size": bytes_text(outcome.size or 0),
        "parity": _parity_text(outcome.manifest),
        "latency": _latency_text(outcome.manifest),
    }
    return [
        f"[bold green]done[/] in {duration(outcome.seconds)}",
        *(f"  {name:9} {value}" for name, value in facts.items() if value),
        *_warnings(outcome),
    ]


def members(outcome: Outcome) -> dict[str, Any]:
    """The same for a program, JSON-able; every member is always there."""
    return {
        "status": outcome.status,
        "reason": outcome.reason,
        "artifact": outcome.uri,
        "digest": outcome.digest,
        "size": outcome.size,
        "parity": outcome.manifest.get("parity"),
        "latency": outcome.manifest.get("latency"),
        "layers": _layers(outcome.manifest.get("kernels", ())),
        "derived_data_input_config": outcome.manifest.get("derived_data_input_config"),
        "seconds": round(outcome.seconds, 3),
        "phases": [
            {"name": name, "seconds": round(seconds, 3)} for name, seconds in outcome.phases
        ],
        "warnings": _all_warnings(outcome),
    }


def _layers(kernels: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Kernels with what they compute and their share of the net's time, as arithmetic and memory
    bound it, those with most of it. Names are the model's, of any length and number."""
    costs = [max(k["flops"], BALANCE * k["bytes"]) * len(k["calls"]) for k in kernels]
    rows = [
        {
            "layers": ", ".join(" + ".join(layers) for layers in kernel["calls"])[:LAYER_TEXT],
            "template": kernel["template"],
            "calls": len(kernel["calls"]),
            "output": kernel["output"],
            "share": round(mine / (sum(costs) or 1), 4),
        }
        for kernel, mine in zip(kernels, costs, strict=True)
    ]
    return sorted(rows, key=lambda row: -row["share"])[:LAYERS]


def duration(seconds: float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def bytes_text(size: float) -> str:
    """`812 B`, `1.2 kB`, `97.4 MB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"


def _warnings(outcome: Outcome) -> list[str]:
    return [f"  [yellow]warning[/]   {escape(text)}" for text in _all_warnings(outcome)]


def _all_warnings(outcome: Outcome) -> list[str]:
    """Said on the way or written into the manifest, each once."""
    return list(dict.fromkeys([*outcome.warnings, *outcome.manifest.get("warnings", ())]))


def _parity_text(manifest: Mapping[str, Any]) -> str:
    parity = manifest.get("parity", {})
    how = "step by step" if "steps" in parity else "at most"
    return f"{parity['relative']:.1e} of the outputs' scale, {how}" if "relative" in parity else ""


def _latency_text(manifest: Mapping[str, Any]) -> str:
    median = manifest.get("latency", {}).get("median_ms")
    return "" if median is None else f"{median:.2f} ms, median"
