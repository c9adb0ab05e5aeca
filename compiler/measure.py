"""Times kernels one at a time in a process of its own, which a crash or a kernel that never ends
cannot take further than to its own end: the next question starts another.
"""

from __future__ import annotations

import math
import os
import select
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from compiler.errors import CompileError, ServerError
from compiler.lowered import Kernel
from compiler.plan_source import CODES

ALIGNMENT = 64
ARENA, CONSTANT = 0, 1  # enum neoc_space of runtime/model.h
START_S = 60.0  # for the process to fill its memory, on a busy machine


class Unmeasured(CompileError):
    """This kernel crashed, took too long or said no. The text says which."""


@dataclass(frozen=True)
class Trial:
    """A kernel as the measuring process is told of it. arena, span: bytes of its activations, and
    of one copy of its constants.
    """

    symbol: str
    arguments: str
    arena: int
    span: int

    @classmethod
    def of(cls, kernel: Kernel) -> Trial:
        size = {ARENA: 0, CONSTANT: 0}
        arguments = []
        for number, (shape, dtype) in enumerate(kernel.work.parameters):
            element = np.dtype(dtype)
            packing = kernel.packing.get(number)
            elements = max(math.prod(packing.shape if packing else shape), 1)
            # Whole numbers may be positions: those are given as zeros, which only the arena has.
            space = CONSTANT if number in kernel.work.constants and element.kind == "f" else ARENA
            code, bits = CODES[element.kind], element.itemsize * 8
            arguments.append(f"{space} {size[space]} {code} {bits} {elements}")
            size[space] += -(-elements * element.itemsize // ALIGNMENT) * ALIGNMENT
        listed = " ".join([str(len(arguments)), *arguments])
        return cls(f"__tvm_ffi_{kernel.symbol}", listed, size[ARENA], size[CONSTANT])


class Meter:
    """The measuring process. program: build.link_measure's. constants: bytes that a net reads
    between two runs of one kernel, which decide whether its weights are in a cache by then.
    """

    def __init__(self, program: Path, threads: int, constants: int) -> None:
        self._program, self._threads = str(program), threads
        self._arena, self._constants = 0, constants
        self._library: Path | None = None
        self._opened: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def open(self, library: Path) -> None:
        """The kernels of this library come next."""
        self._library, self._opened = library, None

    def times(self, trial: Trial, runs: int, limit_s: float) -> list[float]:
        """Microseconds of every run, after one that does not count. Raises Unmeasured."""
        if trial.arena > self._arena or trial.span > self._constants:
            self._end()
            self._arena = max(trial.arena, self._arena)
            self._constants = max(trial.span, self._constants)
        if self._process is None or self._opened != self._library:
            self._prepare()
        answer = self._ask(f"run {trial.symbol} {runs} {trial.span} {trial.arguments}", limit_s)
        head, _, why = answer.partition("error ")
        if why or len(head.split()) != runs:
            raise Unmeasured(f"{trial.symbol}: {why or 'no times'}")
        return [int(text) / 1e3 for text in head.split()]

    def _prepare(self) -> None:
        if self._process is None:
            sizes = [str(n) for n in (self._threads, self._arena, self._constants)]
            self._process = subprocess.Popen(
                [self._program, *sizes], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
            self._opened = None
        try:
            answer = self._ask(f"open {self._library}", START_S)
        except Unmeasured as error:
            raise ServerError(f"Kernels cannot be measured: {error}") from error
        if answer != "ok":
            raise ServerError(f"Kernels cannot be measured: {answer}")
        self._opened = self._library

    def _ask(self, line: str, limit_s: float) -> str:
        """One line for one line. Raises Unmeasured, and ends the process, if none comes in time."""
        assert self._process and self._process.stdin and self._process.stdout
        answer = b""
        try:
            self._process.stdin.write(line.encode() + b"\n")
            while not answer.endswith(b"\n"):
                ready, _, _ = select.select([self._process.stdout], [], [], limit_s)
                more = os.read(self._process.stdout.fileno(), 1 << 16) if ready else b""
                if not more:
                    raise Unmeasured(self._end() if ready else self._late(limit_s))
                answer += more
        except BrokenPipeError:
            raise Unmeasured(self._end()) from None
        return answer.decode(errors="replace").strip()

    def _late(self, limit_s: float) -> str:
        self._end()
        return f"no end within {limit_s:.1f} s"

    def _end(self) -> str:
        """Kills the process, if there is one; what became of it."""
        if self._process is None:
            return "no process"
        process, self._process = self._process, None
        assert process.stdin and process.stdout
        process.kill()
        status = process.wait()
        process.stdin.close()
        process.stdout.close()
        return f"ended with status {status}"
