"""compiler/measure.py: kernels timed where they can do no harm."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from tvm import relax

from compiler import build, measure
from compiler.measure import Meter, Trial, Unmeasured
from tests.compiler.conftest import NATIVE, ZIG
from tests.compiler.kernels.harness import NARROW, lowered, values

Children = Callable[[], list[psutil.Process]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With `measure`, and native/trials.c as kernels.so."""
    folder = tmp_path_factory.mktemp("trials")
    compiled = folder / "trials.o"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", ZIG, *build.C_FLAGS, "-c"]
    command += [f"-I{build.RUNTIME}", str(NATIVE / "trials.c"), "-o", str(compiled)]
    subprocess.run(command, check=True, timeout=120)
    build.link_kernels([compiled], ZIG, folder / "kernels.so")
    build.link_measure(ZIG, folder)
    return folder


@pytest.fixture
def meter(folder: Path, children: Children) -> Iterator[Meter]:
    with Meter(folder / "measure", threads=2, constants=1 << 16) as meter:
        meter.open(folder / "kernels.so")
        yield meter
    assert not children()


def trial(name: str) -> Trial:
    return Trial(f"__tvm_ffi_{name}", "3 0 0 0 64 1 1 0 2 32 4 0 64 2 32 4", arena=128, span=64)


def test_every_run_has_its_time(meter: Meter) -> None:
    times = meter.times(trial("good"), 5, limit_s=10)
    assert len(times) == 5 and 1 < min(times) < 1e6


def test_positions_are_zeros_and_constants_move(meter: Meter) -> None:
    assert len(meter.times(trial("looks"), 50, limit_s=10)) == 50


@pytest.mark.parametrize(
    ("name", "limit_s", "why"),
    [
        ("crash", 10, "status -6"),
        ("endless", 0.5, "no end within"),
        ("refuse", 10, "ValueError: not like this"),
        ("missing", 10, "no such kernel"),
    ],
)
def test_a_bad_kernel_is_told_and_the_next_one_measured(
    meter: Meter, name: str, limit_s: float, why: str
) -> None:
    with pytest.raises(Unmeasured, match=why):
        meter.times(trial(name), 3, limit_s)
    assert len(meter.times(trial("good"), 3, limit_s=10)) == 3


def test_a_killed_process_is_replaced(meter: Meter, children: Children) -> None:
    meter.times(trial("good"), 1, limit_s=10)
    [process] = children()
    process.kill()
    with pytest.raises(Unmeasured, match="status -9"):
        meter.times(trial("good"), 1, limit_s=10)
    assert len(meter.times(trial("good"), 1, limit_s=10)) == 1


def test_memory_grows_with_the_kernels(meter: Meter) -> None:
    meter.times(trial("looks"), 1, limit_s=10)
    large = Trial("__tvm_ffi_looks", trial("looks").arguments, arena=1 << 20, span=1 << 15)
    assert len(meter.times(large, 3, limit_s=10)) == 3


def test_a_trial_tells_where_every_operand_lies() -> None:
    weight = relax.const(values((19, 8)), "float32")
    made = lowered(lambda a: relax.op.matmul(a, weight), [values((4, 19))], NARROW)
    [kernel] = made.kernels.values()
    told = Trial.of(kernel)
    packed = int(np.prod(kernel.packing[1].shape)) if 1 in kernel.packing else 19 * 8
    out = -(-4 * 19 * 4 // 64) * 64
    assert told.symbol == f"__tvm_ffi_{kernel.symbol}"
    assert told.arguments == f"3 0 0 2 32 76 1 0 2 32 {packed} 0 {out} 2 32 32"
    assert told.arena == out + 128
    assert told.span == -(-packed * 4 // measure.ALIGNMENT) * measure.ALIGNMENT
