"""One output element from one element of each input: arithmetic, comparison, logic, bits, casts."""

from functools import reduce

import numpy as np
from onnx import TensorProto, helper

from frontends.model import ModelError
from frontends.onnx.builder import (
    Builder,
    Function,
    R,
    Table,
    Value,
    constant,
    dtype,
    is_float,
    rank,
    shape,
)
from frontends.onnx.graph import DTYPES, NARROW, Array

UNARY = {
    "Abs": R.abs,
    "Acos": R.acos,
    "Acosh": R.acosh,
    "Asin": R.asin,
    "Asinh": R.asinh,
    "Atan": R.atan,
    "Atanh": R.atanh,
    "BitwiseNot": R.bitwise_not,
    "Ceil": R.ceil,
    "Cos": R.cos,
    "Cosh": R.cosh,
    "Erf": R.erf,
    "Exp": R.exp,
    "Floor": R.floor,
    "IsNaN": R.isnan,
    "Log": R.log,
    "Neg": R.negative,
    "Not": R.logical_not,
    "Round": R.round,
    "Sign": R.sign,
    "Sin": R.sin,
    "Sinh": R.sinh,
    "Sqrt": R.sqrt,
    "Tan": R.tan,
    "Tanh": R.tanh,
}

BINARY = {
    "And": R.logical_and,
    "BitwiseAnd": R.bitwise_and,
    "BitwiseOr": R.bitwise_or,
    "BitwiseXor": R.bitwise_xor,
    "Div": R.divide,
    "Equal": R.equal,
    "Greater": R.greater,
    "GreaterOrEqual": R.greater_equal,
    "Less": R.less,
    "LessOrEqual": R.less_equal,
    "Or": R.logical_or,
    "Sub": R.subtract,
    "Xor": R.logical_xor,
}


def unary(op: Function) -> Function:
    return lambda b, x, *, consumed_inputs=(): b(op, x)


def binary(op: Function) -> dict[int, Function]:
    """Before opset 7 the second input was aligned by attributes, not by numpy's rule."""

    def aligned(
        b: Builder,
        x: Value,
        y: Value,
        *,
        broadcast: int = 0,
        axis: int | None = None,
        consumed_inputs: tuple[int, ...] = (),
    ) -> Value:
        if broadcast and axis is not None:
            start = axis % rank(x)
            y = b.reshape(y, shape(y) + (1,) * (rank(x) - start - rank(y)))
        return b(op, x, y)

    return {1: aligned, 7: lambda b, x, y: b(op, x, y)}


def commutative(op: Function) -> dict[int, Function]:
    """A constant goes second, so that the back end meets one order only."""
    rows = binary(op)
    rows[7] = lambda b, x, y: b(op, y, x) if isinstance(x, np.ndarray) else b(op, x, y)
    return rows


def variadic(op: Function) -> Function:
    def chain(b: Builder, *inputs: Value, consumed_inputs: tuple[int, ...] = ()) -> Value:
        return reduce(lambda x, y: b(op, x, y), inputs)

    return chain


def mean(b: Builder, *inputs: Value) -> Value:
    total = reduce(lambda x, y: b(R.add, x, y), inputs)
    return b(R.multiply, total, 1 / len(inputs)) if len(inputs) > 1 else total


def identity(b: Builder, x: Value) -> Value:
    return x


def clip(b: Builder, x: Value, low: Value | None = None, high: Value | None = None) -> Value:
    """One `clip` when both bounds are numbers; else the bounds that exist, one after the other."""
    if is_float(x) and isinstance(low, np.ndarray) and isinstance(high, np.ndarray):
        return b.clip(x, low.item(), high.item())
    if low is not None:
        x = b(R.maximum, x, low)
    return x if high is None else b(R.minimum, x, high)


def clip_attributes(
    b: Builder,
    x: Value,
    *,
    min: float | None = None,
    max: float | None = None,
    consumed_inputs: tuple[int, ...] = (),
) -> Value:
    def bound(v: float | None) -> Array | None:
        return None if v is None else np.asarray(v, dtype(x))

    return clip(b, x, bound(min), bound(max))


def power(b: Builder, x: Value, y: Value) -> Value:
    """The result has the base's dtype. Squares and roots, the usual powers, are not `power`."""
    exponent = (
        y.item() if isinstance(y, np.ndarray) and y.size == 1 and rank(y) <= rank(x) else None
    )
    if exponent == 2:
        return b(R.multiply, x, x)
    if exponent == 0.5 and is_float(x):
        return b(R.sqrt, x)
    if is_float(x):
        return b(R.power, x, b.cast(y, dtype(x)))
    wide = b(R.power, b.cast(x, "float64"), b.cast(y, "float64"))
    return b.cast(wide if is_float(y) else b(R.round, wide), dtype(x))


def modulo(b: Builder, x: Value, y: Value, *, fmod: int = 0) -> Value:
    """fmod=0: the divisor's sign, integers. fmod=1: the dividend's sign, as C's fmod."""
    if not fmod:
        return b(R.floor_mod, x, y)
    if not is_float(x):
        return b(R.mod, x, y)
    rest = b(R.floor_mod, b(R.abs, x), b(R.abs, y))
    return b(R.where, b(R.less, x, 0), b(R.negative, rest), rest)


def reciprocal(b: Builder, x: Value, *, consumed_inputs: tuple[int, ...] = ()) -> Value:
    return b(R.divide, 1.0, x)


def is_inf(b: Builder, x: Value, *, detect_negative: int = 1, detect_positive: int = 1) -> Value:
    infinite = b(R.isinf, x)
    if detect_negative and detect_positive:
        return infinite
    wanted = b(R.greater, x, 0) if detect_positive else b(R.less, x, 0)
    if not detect_negative and not detect_positive:
        return np.zeros(shape(x), bool)
    return b(R.logical_and, infinite, wanted)


def where(b: Builder, condition: Value, x: Value, y: Value) -> Value:
    """A known condition may always take the same one."""
    if isinstance(condition, np.ndarray) and condition.all() == condition.any():
        taken = x if condition.all() else y
        if shape(taken) == np.broadcast_shapes(condition.shape, shape(x), shape(y)):
            return taken
    return b(R.where, condition, x, y)


def bit_shift(b: Builder, x: Value, y: Value, *, direction: str) -> Value:
    return b(R.left_shift if direction == "LEFT" else R.right_shift, x, y)


def cast(
    b: Builder, x: Value, *, to: int | str, saturate: int = 1, round_mode: str = "up"
) -> Value:
    """`to` is a name before opset 6."""
    number = getattr(TensorProto, to) if isinstance(to, str) else to
    target = str(np.dtype(helper.tensor_dtype_to_np_dtype(number)))
    if target not in DTYPES:
        raise ModelError(f"casts to {target} are not implemented")
    return _cast(b, x, target, saturate, round_mode)


def cast_like(
    b: Builder, x: Value, y: Value, *, saturate: int = 1, round_mode: str = "up"
) -> Value:
    return _cast(b, x, dtype(y), saturate, round_mode)


def _cast(b: Builder, x: Value, target: str, saturate: int, rounding: str) -> Value:
    """Numbers become booleans by comparison: a truncating cast would lose 0.5."""
    if target == "bool" and dtype(x) != "bool":
        wide = "float32" if dtype(x) in NARROW else dtype(x)
        return b(R.not_equal, b.cast(x, wide), 0)
    return b.cast(x, target, bool(saturate), rounding)


def bit_cast(b: Builder, x: Value, *, to: int) -> Value:
    """Elements of as many bits."""
    target = np.dtype(helper.tensor_dtype_to_np_dtype(to))
    if str(target) not in DTYPES or target.itemsize != np.dtype(dtype(x)).itemsize:
        raise ModelError(f"{dtype(x)} has other bits than {target}")
    return b.own("neoc.bitcast", [x], shape(x), str(target))


def dropout(
    b: Builder,
    x: Value,
    ratio: Value | None = None,
    training: Value | None = None,
    *,
    seed: int = 0,
    is_test: int = 1,
    consumed_inputs: tuple[int, ...] = (),
) -> tuple[Value, Value]:
    """Inference: everything is kept."""
    if training is not None and constant(training, "training_mode").item():
        if ratio is None or constant(ratio, "ratio").item():
            raise ModelError("training_mode must be false: training drops elements by chance")
    return x, np.ones(shape(x), bool)


def dropout_7(
    b: Builder,
    x: Value,
    *,
    ratio: float = 0.5,
    is_test: int = 1,
    consumed_inputs: tuple[int, ...] = (),
) -> tuple[Value, Value]:
    """The mask is of x's type."""
    return x, np.ones(shape(x), dtype(x))


def dropout_attribute(
    b: Builder,
    x: Value,
    *,
    ratio: float = 0.5,
    is_test: int = 1,
    consumed_inputs: tuple[int, ...] = (),
) -> tuple[Value, Value]:
    return x, np.ones(shape(x), bool)


OPS: Table = {
    **{name: unary(op) for name, op in UNARY.items()},
    **{name: binary(op) for name, op in BINARY.items()},
    "Add": commutative(R.add),
    "Mul": commutative(R.multiply),
    "BitCast": bit_cast,
    "BitShift": bit_shift,
    "Cast": cast,
    "CastLike": cast_like,
    "Clip": {1: clip_attributes, 11: clip},
    "Dropout": {1: dropout_7, 10: dropout_attribute, 12: dropout},
    "Identity": identity,
    "IsInf": is_inf,
    "Max": variadic(R.maximum),
    "Mean": mean,
    "Min": variadic(R.minimum),
    "Mod": modulo,
    "Pow": {1: binary(R.power)[1], 7: power},
    "Reciprocal": reciprocal,
    "Sum": variadic(R.add),
    "Where": where,
}
