"""Normalisations, dense layers, activations with parameters, and the heads of losses."""

from __future__ import annotations

import math

import numpy as np

from frontends.model import ModelError
from frontends.mxnet.graph import Graph, Table, Value


def _wide(g: Graph, x: Value, rank: int, axis: int) -> Value:
    """A vector along one of so many axes."""
    dims = [1] * rank
    dims[axis] = math.prod(x.shape)
    return g.reshape(x, dims)


def batch_norm(
    g: Graph,
    data: Value,
    gamma: Value,
    beta: Value,
    moving_mean: Value,
    moving_var: Value,
    *,
    eps: float = 1e-3,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
) -> Value:
    """With the statistics of training, which `use_global_stats` would ask for in training, too."""
    if output_mean_var:
        raise ModelError("output_mean_var is not supported")
    if fix_gamma:
        gamma = g.constant(np.ones(gamma.shape, gamma.dtype))
    place = data.axis(axis)
    if place == 1:
        return g("BatchNormalization", data, gamma, beta, moving_mean, moving_var, epsilon=eps)
    parts = [_wide(g, v, data.rank, place) for v in (gamma, beta, moving_mean, moving_var)]
    scale = g("Div", parts[0], g("Sqrt", g("Add", parts[3], eps)))
    return g("Add", g("Mul", g("Sub", data, parts[2]), scale), parts[1])


def batch_norm_relu(
    g: Graph,
    data: Value,
    gamma: Value,
    beta: Value,
    moving_mean: Value,
    moving_var: Value,
    *,
    eps: float = 1e-3,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
) -> Value:
    y = batch_norm(
        g, data, gamma, beta, moving_mean, moving_var, eps=eps, fix_gamma=fix_gamma,
        output_mean_var=output_mean_var, axis=axis,
    )  # fmt: skip
    return g("Relu", y)


def instance_norm(g: Graph, data: Value, gamma: Value, beta: Value, *, eps: float = 1e-3) -> Value:
    return g("InstanceNormalization", data, gamma, beta, epsilon=eps)


def layer_norm(
    g: Graph,
    data: Value,
    gamma: Value,
    beta: Value,
    *,
    axis: int = -1,
    eps: float = 1e-5,
    output_mean_var: bool = False,
) -> Value:
    if output_mean_var:
        raise ModelError("output_mean_var is not supported")
    place = data.axis(axis)
    if place == data.rank - 1:
        return g("LayerNormalization", data, gamma, beta, axis=-1, epsilon=eps)
    order = [*(a for a in range(data.rank) if a != place), place]
    back = [order.index(a) for a in range(data.rank)]
    last = g.transpose(data, order)
    return g.transpose(g("LayerNormalization", last, gamma, beta, axis=-1, epsilon=eps), back)


def group_norm(
    g: Graph,
    data: Value,
    gamma: Value,
    beta: Value,
    *,
    num_groups: int = 1,
    eps: float = 1e-5,
    output_mean_var: bool = False,
) -> Value:
    if output_mean_var:
        raise ModelError("output_mean_var is not supported")
    groups = g.reshape(data, (data.shape[0], num_groups, math.prod(data.shape[1:]) // num_groups))
    if gamma.shape == (num_groups,):  # as 1.x has it
        y = g("InstanceNormalization", groups, gamma, beta, epsilon=eps)
        return g.reshape(y, data.shape)
    ones, zeros = np.ones(num_groups, data.dtype), np.zeros(num_groups, data.dtype)
    even = g.reshape(g("InstanceNormalization", groups, ones, zeros, epsilon=eps), data.shape)
    scaled = g("Mul", even, _wide(g, gamma, data.rank, 1))
    return g("Add", scaled, _wide(g, beta, data.rank, 1))


def lrn(
    g: Graph,
    data: Value,
    *,
    nsize: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    knorm: float = 2.0,
) -> Value:
    return g("LRN", data, size=nsize, alpha=alpha, beta=beta, bias=knorm)


MODES = {"instance": slice(1, None), "channel": slice(1, 2), "spatial": slice(2, None)}


def l2_normalization(g: Graph, data: Value, *, eps: float = 1e-10, mode: str = "instance") -> Value:
    if mode not in MODES:
        raise ModelError(f"the mode {mode!r} is unknown")
    axes = list(range(data.rank))[MODES[mode]]
    squares = g("ReduceSumSquare", data, axes, keepdims=1)
    return g("Div", data, g("Sqrt", g("Add", squares, eps)))


def fully_connected(
    g: Graph,
    data: Value,
    weight: Value,
    bias: Value | None = None,
    *,
    num_hidden: int,
    no_bias: bool = False,
    flatten: bool = True,
) -> Value:
    if weight.rank != 2 or weight.shape[0] != num_hidden:
        raise ModelError(f"the weight has the shape {list(weight.shape)}")
    if flatten:
        rows = g.reshape(data, (data.shape[0], math.prod(data.shape[1:])))
        return g("Gemm", rows, weight, None if no_bias else bias, transB=1)
    y = g("MatMul", data, g.transpose(weight, (1, 0)))
    return y if no_bias or bias is None else g("Add", y, bias)


def dropout(
    g: Graph, data: Value, *, p: float = 0.5, mode: str = "training", axes: str = ""
) -> Value:
    if mode != "training":
        raise ModelError(f"a Dropout of the mode {mode!r} makes random answers")
    return data


ACTIVATIONS = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "softrelu": "Softplus",
    "softsign": "Softsign",
    "tanh": "Tanh",
    "mish": "Mish",
}


def activation(g: Graph, data: Value, *, act_type: str) -> Value:
    if act_type == "log_sigmoid":
        return g("Neg", g("Softplus", g("Neg", data)))
    if act_type not in ACTIVATIONS:
        raise ModelError(f"the activation {act_type!r} is unknown")
    return g(ACTIVATIONS[act_type], data)


def leaky_relu(
    g: Graph,
    data: Value,
    gamma: Value | None = None,
    *,
    act_type: str = "leaky",
    slope: float = 0.25,
    lower_bound: float = 0.125,
    upper_bound: float = 0.334,
) -> Value:
    if act_type == "prelu" and gamma is not None:
        flat = math.prod(gamma.shape) == 1 or data.rank == 1
        return g("PRelu", data, _wide(g, gamma, data.rank, 0 if flat else 1))
    if act_type == "rrelu":
        return g("LeakyRelu", data, alpha=(lower_bound + upper_bound) / 2)
    if act_type == "leaky":
        return g("LeakyRelu", data, alpha=slope)
    if act_type == "elu":
        return g("Elu", data, alpha=slope)
    if act_type in ("selu", "gelu"):
        return g(act_type.capitalize(), data)
    raise ModelError(f"the act_type {act_type!r} is unknown, or lacks an input")


# --- shares of one


def softmax(
    g: Graph,
    data: Value,
    length: Value | None = None,
    *,
    axis: int = -1,
    temperature: float | None = None,
    dtype: str | None = None,
    use_length: bool = False,
) -> Value:
    """What lies behind a length along the axis has no share."""
    place = data.axis(axis)
    if dtype is not None:
        data = g.cast(data, dtype)
    if temperature not in (None, 1.0):
        data = g("Div", data, temperature)
    if not use_length or length is None:
        return g("Softmax", data, axis=place)
    steps = np.arange(data.shape[place])
    along = steps.reshape([-1 if a == place else 1 for a in range(data.rank)])
    reach = g("Unsqueeze", g.cast(length, "int64"), [place])
    inside = g("Less", along, reach)
    made = g("Softmax", g("Where", inside, data, -1e30), axis=place)
    return g("Where", inside, made, 0.0)


def log_softmax(
    g: Graph,
    data: Value,
    *,
    axis: int = -1,
    temperature: float | None = None,
    dtype: str | None = None,
    use_length: bool = False,
) -> Value:
    if use_length:
        raise ModelError("use_length is not supported")
    if dtype is not None:
        data = g.cast(data, dtype)
    if temperature not in (None, 1.0):
        data = g("Div", data, temperature)
    return g("LogSoftmax", data, axis=data.axis(axis))


def softmin(
    g: Graph,
    data: Value,
    *,
    axis: int = -1,
    temperature: float | None = None,
    dtype: str | None = None,
    use_length: bool = False,
) -> Value:
    if use_length:
        raise ModelError("use_length is not supported")
    return softmax(g, g("Neg", data), axis=axis, temperature=temperature, dtype=dtype)


def softmax_activation(g: Graph, data: Value, *, mode: str = "instance") -> Value:
    if mode not in ("instance", "channel"):
        raise ModelError(f"the mode {mode!r} is unknown")
    return g("Softmax", data, axis=1 if mode == "channel" else -1)


def softmax_output(
    g: Graph, data: Value, *, multi_output: bool = False, preserve_shape: bool = False
) -> Value:
    if multi_output:
        return g("Softmax", data, axis=1)
    if preserve_shape:
        return g("Softmax", data, axis=-1)
    rows = g.reshape(data, (data.shape[0], math.prod(data.shape[1:])))
    return g.reshape(g("Softmax", rows, axis=1), data.shape)


def regression(g: Graph, data: Value) -> Value:
    return data


def logistic(g: Graph, data: Value) -> Value:
    return g("Sigmoid", data)


def svm_output(
    g: Graph,
    data: Value,
    *,
    margin: float = 1.0,
    regularization_coefficient: float = 1.0,
    use_linear: bool = False,
) -> Value:
    return data


OPS: Table = {
    "Activation": activation,
    "BatchNorm": batch_norm,
    "BatchNorm_v1": batch_norm,
    "Dropout": dropout,
    "FullyConnected": fully_connected,
    "GroupNorm": group_norm,
    "InstanceNorm": instance_norm,
    "L2Normalization": l2_normalization,
    "LRN": lrn,
    "LayerNorm": layer_norm,
    "LeakyReLU": leaky_relu,
    "LinearRegressionOutput": regression,
    "LogisticRegressionOutput": logistic,
    "MAERegressionOutput": regression,
    "SVMOutput": svm_output,
    "Softmax": softmax_output,
    "SoftmaxActivation": softmax_activation,
    "SoftmaxOutput": softmax_output,
    "_contrib_BatchNormWithReLU": batch_norm_relu,
    "_contrib_SyncBatchNorm": batch_norm,
    "log_softmax": log_softmax,
    "softmax": softmax,
    "softmin": softmin,
}
# Losses: how many inputs come before the label, which only training reads.
LABELLED = {
    name: 1
    for name in (
        "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput", "SVMOutput",
        "Softmax", "SoftmaxOutput",
    )
}  # fmt: skip
