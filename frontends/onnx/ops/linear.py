"""Matrix products."""

import numpy as np

from frontends.onnx.builder import Builder, R, Table, Value, is_float


def matmul(b: Builder, x: Value, y: Value) -> Value:
    return b(R.matmul, x, y)


def gemm(
    b: Builder,
    x: Value,
    y: Value,
    bias: Value | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    broadcast: int = 0,
) -> Value:
    """alpha * x @ y + beta * bias; constant operands take their transpose and factor now."""
    x = b.transpose(x, (1, 0)) if transA else x
    y = b.transpose(y, (1, 0)) if transB else y
    product = b(R.matmul, x, _scaled(b, y, alpha) if isinstance(y, np.ndarray) else y)
    if not isinstance(y, np.ndarray):
        product = _scaled(b, product, alpha)
    if bias is None or beta == 0.0:
        return product
    return b(R.add, product, _scaled(b, bias, beta))


def _scaled(b: Builder, x: Value, factor: float) -> Value:
    if factor == 1.0:
        return x
    if isinstance(x, np.ndarray):
        return np.asarray(x * np.float64(factor), x.dtype)
    return b(R.multiply, x, factor if is_float(x) else int(factor))


OPS: Table = {"Gemm": gemm, "MatMul": matmul}
