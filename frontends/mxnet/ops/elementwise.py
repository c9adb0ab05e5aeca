"""Element by element: of one tensor, of two, of one and a number."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from frontends.model import ModelError
from frontends.mxnet.graph import Graph, Operand, Table, Value

Pair = Callable[[Graph, Operand, Operand], Value]


def plain(kind: str) -> Callable[..., Value]:
    """An operator that ONNX has, too."""
    return lambda g, data: g(kind, data)


def composed(formula: Callable[[Graph, Value], Value]) -> Callable[..., Value]:
    return lambda g, data: formula(g, data)


def _rint(g: Graph, x: Value) -> Value:
    return g("Round", x)


def _round(g: Graph, x: Value) -> Value:
    """A half goes away from zero."""
    return g("Mul", g("Sign", x), g("Floor", g("Add", g("Abs", x), 0.5)))


def _fix(g: Graph, x: Value) -> Value:
    return g("Mul", g("Sign", x), g("Floor", g("Abs", x)))


def _cbrt(g: Graph, x: Value) -> Value:
    return g("Mul", g("Sign", x), g("Pow", g("Abs", x), 1 / 3))


def _expm1(g: Graph, x: Value) -> Value:
    """2 sinh(x/2) exp(x/2) keeps the digits of a small x."""
    half = g("Mul", x, 0.5)
    return g("Mul", g("Mul", g("Sinh", half), g("Exp", half)), 2.0)


def _log1p(g: Graph, x: Value) -> Value:
    """2 atanh(x / (2 + x)) keeps the digits of a small x."""
    return g("Mul", g("Atanh", g("Div", x, g("Add", x, 2.0))), 2.0)


def truth(g: Graph, x: Value) -> Value:
    """Whether each element is not zero."""
    return g("Cast", x, to=9)


def _logical_not(g: Graph, data: Value) -> Value:
    return g.cast(g("Not", truth(g, data)), data.dtype)


UNARY: dict[str, Callable[[Graph, Value], Value]] = {
    "cbrt": _cbrt,
    "degrees": lambda g, x: g("Mul", x, 180 / math.pi),
    "expm1": _expm1,
    "fix": _fix,
    "log10": lambda g, x: g("Mul", g("Log", x), 1 / math.log(10)),
    "log1p": _log1p,
    "log2": lambda g, x: g("Mul", g("Log", x), 1 / math.log(2)),
    "logical_not": _logical_not,
    "ones_like": lambda g, x: g.constant(np.ones(x.shape, x.dtype)),
    "radians": lambda g, x: g("Mul", x, math.pi / 180),
    "rcbrt": lambda g, x: g("Reciprocal", _cbrt(g, x)),
    "rint": _rint,
    "round": _round,
    "rsqrt": lambda g, x: g("Reciprocal", g("Sqrt", x)),
    "square": lambda g, x: g("Mul", x, x),
    "trunc": _fix,
    "zeros_like": lambda g, x: g.constant(np.zeros(x.shape, x.dtype)),
    "_contrib_div_sqrt_dim": lambda g, x: g("Mul", x, 1 / math.sqrt(x.shape[-1])),
}
PLAIN = {
    "abs": "Abs", "arccos": "Acos", "arccosh": "Acosh", "arcsin": "Asin", "arcsinh": "Asinh",
    "arctan": "Atan", "arctanh": "Atanh", "ceil": "Ceil", "cos": "Cos", "cosh": "Cosh",
    "erf": "Erf", "exp": "Exp", "floor": "Floor", "log": "Log", "negative": "Neg",
    "reciprocal": "Reciprocal", "relu": "Relu", "sigmoid": "Sigmoid", "sign": "Sign",
    "sin": "Sin", "sinh": "Sinh", "softsign": "Softsign", "sqrt": "Sqrt", "tan": "Tan",
    "tanh": "Tanh",
    "BlockGrad": "Identity", "stop_gradient": "Identity", "_copy": "Identity",
    "identity": "Identity", "_CrossDeviceCopy": "Identity", "_copyto": "Identity",
    "IdentityAttachKLSparseReg": "Identity", "make_loss": "Identity", "MakeLoss": "Identity",
    "_contrib_gradientmultiplier": "Identity",
}  # fmt: skip


def hard_sigmoid(g: Graph, data: Value, *, alpha: float = 0.2, beta: float = 0.5) -> Value:
    return g("HardSigmoid", data, alpha=alpha, beta=beta)


def gradient_multiplier(g: Graph, data: Value, *, scalar: float = 1.0) -> Value:
    """Speaks of training alone."""
    return data


def smooth_l1(g: Graph, data: Value, *, scalar: float = 1.0) -> Value:
    square = scalar * scalar
    near = g("Mul", g("Mul", data, data), 0.5 * square)
    size = g("Abs", data)
    far = g("Sub", size, 0.5 / square)
    return g("Where", g("Less", size, 1 / square), near, far)


def clip(g: Graph, data: Value, *, a_min: float, a_max: float) -> Value:
    return g("Clip", data, a_min, a_max)


def cast(g: Graph, data: Value, *, dtype: str) -> Value:
    return g.cast(data, element_type(dtype))


def element_type(name: str) -> str:
    if name not in ("float16 float32 float64 uint8 int8 int32 int64 bool".split()):
        raise ModelError(f"the type {name[:40]!r} is not supported")
    return name


def amp_multicast(
    g: Graph, *data: Value, num_outputs: int, cast_narrow: bool = False
) -> tuple[Value, ...]:
    """All to the widest of their types."""
    sizes = [np.dtype(x.dtype).itemsize for x in data]
    chosen = data[sizes.index(min(sizes) if cast_narrow else max(sizes))].dtype
    return tuple(g.cast(x, chosen) for x in data)


def add_n(g: Graph, *args: Value) -> Value:
    total = args[0]
    for other in args[1:]:
        total = g("Add", total, other)
    return total


def where(g: Graph, condition: Value, x: Value, y: Value) -> Value:
    if condition.shape != x.shape and condition.rank == 1 and x.rank > 1:
        condition = g.reshape(condition, (condition.shape[0],) + (1,) * (x.rank - 1))
    return g("Where", truth(g, condition), x, y)


# --- of two


def _type(*operands: Operand) -> str:
    return next(o.dtype for o in operands if isinstance(o, Value))


def _compared(kind: str) -> Pair:
    """1 and 0 of the operands' type."""
    return lambda g, a, b: g.cast(g(kind, a, b), _type(a, b))


def _unequal(g: Graph, a: Operand, b: Operand) -> Value:
    return g.cast(g("Not", g("Equal", a, b)), _type(a, b))


def _logical(kind: str) -> Pair:
    def combined(g: Graph, a: Operand, b: Operand) -> Value:
        sides = [truth(g, o) if isinstance(o, Value) else np.array(bool(o)) for o in (a, b)]
        return g.cast(g(kind, *sides), _type(a, b))

    return combined


def _modulo(g: Graph, a: Operand, b: Operand) -> Value:
    """The remainder has the divisor's sign."""
    if "int" in _type(a, b):
        return g("Mod", a, b)
    quotient = g("Floor", g("Div", a, b))
    return g("Sub", a, g("Mul", quotient, b))


def _hypotenuse(g: Graph, a: Operand, b: Operand) -> Value:
    return g("Sqrt", g("Add", g("Mul", a, a), g("Mul", b, b)))


def _direct(kind: str) -> Pair:
    return lambda g, a, b: g(kind, a, b)


PAIRS: dict[str, Pair] = {
    "add": _direct("Add"),
    "sub": _direct("Sub"),
    "mul": _direct("Mul"),
    "div": _direct("Div"),
    "power": _direct("Pow"),
    "mod": _modulo,
    "maximum": _direct("Max"),
    "minimum": _direct("Min"),
    "hypot": _hypotenuse,
    "equal": _compared("Equal"),
    "not_equal": _unequal,
    "greater": _compared("Greater"),
    "greater_equal": _compared("GreaterOrEqual"),
    "lesser": _compared("Less"),
    "lesser_equal": _compared("LessOrEqual"),
    "logical_and": _logical("And"),
    "logical_or": _logical("Or"),
    "logical_xor": _logical("Xor"),
}
# Names of before 0.9, and of broadcasting twins.
ALIASES = {
    "add": ("_Plus", "_plus", "_add", "elemwise_add", "broadcast_plus", "_grad_add"),
    "sub": ("_Minus", "_minus", "_sub", "elemwise_sub", "broadcast_minus"),
    "mul": ("_Mul", "elemwise_mul"),
    "div": ("_Div", "elemwise_div"),
    "power": ("_Power",),
    "mod": ("_Mod",),
    "maximum": ("_Maximum",),
    "minimum": ("_Minimum",),
    "hypot": ("_Hypot",),
    "equal": ("_Equal",),
    "not_equal": ("_Not_Equal",),
    "greater": ("_Greater",),
    "greater_equal": ("_Greater_Equal",),
    "lesser": ("_Lesser",),
    "lesser_equal": ("_Lesser_Equal",),
    "logical_and": ("_Logical_And",),
    "logical_or": ("_Logical_Or",),
    "logical_xor": ("_Logical_Xor",),
}
WITH_A_NUMBER = {
    "add": ("_plus_scalar", "_PlusScalar", "_scatter_plus_scalar"),
    "sub": ("_minus_scalar", "_MinusScalar", "_scatter_minus_scalar"),
    "mul": ("_mul_scalar", "_MulScalar"),
    "div": ("_div_scalar", "_DivScalar"),
    "power": ("_power_scalar", "_PowerScalar"),
    "mod": ("_mod_scalar", "_ModScalar"),
    "maximum": ("_maximum_scalar", "_MaximumScalar"),
    "minimum": ("_minimum_scalar", "_MinimumScalar"),
    "hypot": ("_hypot_scalar", "_HypotScalar"),
    "equal": ("_equal_scalar", "_EqualScalar"),
    "not_equal": ("_not_equal_scalar", "_NotEqualScalar"),
    "greater": ("_greater_scalar", "_GreaterScalar"),
    "greater_equal": ("_greater_equal_scalar", "_GreaterEqualScalar"),
    "lesser": ("_lesser_scalar", "_LesserScalar"),
    "lesser_equal": ("_lesser_equal_scalar", "_LesserEqualScalar"),
    "logical_and": ("_logical_and_scalar", "_LogicalAndScalar"),
    "logical_or": ("_logical_or_scalar", "_LogicalOrScalar"),
    "logical_xor": ("_logical_xor_scalar", "_LogicalXorScalar"),
}
REVERSED = {
    "sub": ("_rminus_scalar", "_RMinusScalar"),
    "div": ("_rdiv_scalar", "_RDivScalar"),
    "power": ("_rpower_scalar", "_RPowerScalar"),
    "mod": ("_rmod_scalar", "_RModScalar"),
}


def of_two(pair: Pair) -> Callable[..., Value]:
    return lambda g, lhs, rhs: pair(g, lhs, rhs)


def of_a_number(pair: Pair, reverse: bool) -> Callable[..., Value]:
    def operator(g: Graph, data: Value, *, scalar: float = 0.0, is_int: bool = True) -> Value:
        return pair(g, scalar, data) if reverse else pair(g, data, scalar)

    return operator


OPS: Table = {
    **{name: plain(kind) for name, kind in PLAIN.items()},
    **{name: composed(formula) for name, formula in UNARY.items()},
    **{f"broadcast_{name}": of_two(pair) for name, pair in PAIRS.items()},
    **{f"_{name}": of_two(pair) for name, pair in PAIRS.items()},
    **{a: of_two(PAIRS[n]) for n, aliases in ALIASES.items() for a in aliases},
    **{a: of_a_number(PAIRS[n], False) for n, names in WITH_A_NUMBER.items() for a in names},
    **{a: of_a_number(PAIRS[n], True) for n, names in REVERSED.items() for a in names},
    "Cast": cast,
    "ElementWiseSum": add_n,
    "_contrib_gradientmultiplier": gradient_multiplier,
    "add_n": add_n,
    "amp_cast": cast,
    "amp_multicast": amp_multicast,
    "cast": cast,
    "clip": clip,
    "hard_sigmoid": hard_sigmoid,
    "smooth_l1": smooth_l1,
    "where": where,
}
