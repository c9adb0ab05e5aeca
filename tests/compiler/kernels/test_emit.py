"""compiler/kernels/emit.py: loops and stores that every template shares."""

import re

import pytest
from tvm.script.ir_builder import tirx as T

from compiler.kernels.emit import kernel, nest, runs, store_value
from compiler.kernels.value import Index, ravel, stored


def script(extents: tuple[int, ...], parallel: bool) -> str:
    """A copy in nested loops."""
    with kernel("copy", [(extents, "float32"), (extents, "float32")]) as (buffers, done):
        source = stored(buffers[0], extents, "float32")

        def copy(index: Index) -> None:
            T.buffer_store(buffers[1], source.at(index), [ravel(index, extents)])

        nest(extents, copy, parallel)
    return str(done[0].script())


@pytest.mark.parametrize("extents", [(5,), (3, 4), (100, 7), (2, 1000, 3), (1, 1)])
def test_a_nest_has_one_parallel_loop_at_most(extents: tuple[int, ...]) -> None:
    assert script(extents, True).count("T.parallel") <= 1
    assert "T.parallel" not in script(extents, False)


def copied(shape: tuple[int, ...], lanes: int = 8) -> str:
    with kernel("copy", [(shape, "float32"), (shape, "float32")]) as (buffers, done):
        store_value(buffers[1], stored(buffers[0], shape, "float32"), lanes)
    return str(done[0].script())


def test_rows_end_with_parts_of_a_vector() -> None:
    widths = re.findall(r"T.Ramp\([^)]*\), 1, (\d+)\)|T.Ramp\([^,]*, 1, (\d+)\)", copied((3, 5)))
    assert "8" in {w for pair in widths for w in pair}


def test_small_work_stays_on_one_thread_and_large_work_does_not() -> None:
    assert "T.parallel" not in copied((10, 10))
    assert "T.parallel" in copied((100, 100))


def test_runs_cover_a_row() -> None:
    assert runs(21, 8) == [(0, 8), (8, 8), (16, 4), (20, 1)]
    assert runs(3, 8) == [(0, 2), (2, 1)]
