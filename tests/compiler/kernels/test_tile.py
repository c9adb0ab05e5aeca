"""compiler/kernels/tile.py: the register tile of products."""

import numpy as np
import pytest
import tvm
import tvm_ffi
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from compiler import codegen
from compiler.kernels.arithmetic import Floats
from compiler.kernels.emit import kernel, vector_at
from compiler.kernels.tile import Tile
from compiler.kernels.value import Expr
from tests.compiler.kernels.harness import NARROW, values


@pytest.mark.parametrize("looped", [False, True])
@pytest.mark.parametrize("depth", [1, 4, 11])
def test_a_tile_adds_to_what_it_loads(depth: int, looped: bool) -> None:
    tile = Tile(3, 2, Floats(4))
    left, right, start = values((3, depth)), values((depth, 8)), values((3, 8))
    with kernel("t", [(a.shape, "float32") for a in (left, right, start, start)]) as (b, done):
        acc = tile.zeros()
        tile.load(acc, b[2], T.bind(0))
        tile.accumulate(
            acc,
            lambda r, k: tirx.Broadcast(b[0][r * depth + k], 4),
            lambda v, k: b[1][vector_at(k * 8 + v * 4, 4)],
            depth,
        )

        def finish(value: Expr, row: Expr | int, vector: int) -> None:
            T.buffer_store(b[3], value, [vector_at(row * 8 + vector * 4, 4)])

        (tile.looped if looped else tile.each)(acc, finish)
    target = tvm.target.Target(dict(NARROW.llvm))
    module = tvm.IRModule({"t": done[0]})
    library = tvm.tirx.build(module, target=target, pipeline=codegen.PIPELINE)
    out = np.zeros(24, np.float32)
    library["t"](*(tvm_ffi.from_dlpack(a.reshape(-1)) for a in (left, right, start, out)))
    np.testing.assert_allclose(out.reshape(3, 8), start + left @ right, rtol=1e-4, atol=1e-5)
