"""Darknet's layers in numpy, pixel by pixel where that is plainest, in float64. The weights are
drawn as the layers ask for them, in the order in which a file has them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np

from frontends.darknet.cfg import read

Array = np.ndarray
Options = dict[str, str]


def head(version: tuple[int, int, int] = (0, 2, 0), seen: str = "<Q") -> bytes:
    return struct.pack("<3i", *version) + struct.pack(seen, 32013312)


class Net:
    """`outputs` of all layers after a run, `drawn` the weights."""

    def __init__(self, text: str, seed: int = 0, transposed: bool = False) -> None:
        self.sections = read(text.encode())
        self.rng = np.random.default_rng(seed)
        self.drawn: list[Array] = []
        self.outputs: list[Array] = []
        self.loaded: dict[int, list[Array]] = {}
        self.transposed = transposed

    def run(self, x: Array) -> list[Array]:
        x = x.astype(np.float64)
        for section in self.sections[1:]:
            options = {key: text for key, (_, text) in section.options.items()}
            x = LAYERS[section.kind](self, options, x)
            self.outputs.append(x)
        return self.outputs

    def weights(self) -> bytes:
        return b"".join(a.tobytes() for a in self.drawn)

    def draw(self, *shape: int, positive: bool = False) -> Array:
        made = self.rng.standard_normal(shape) * 0.5
        made = (abs(made) + 0.5 if positive else made).astype("<f4")
        self.drawn.append(made)
        return np.asarray(made, np.float64)

    def layer(self, number: int) -> Array:
        return self.outputs[number]  # below zero, numbers count from the end: from here

    def many(self, text: str) -> list[Array]:
        return [self.layer(int(n)) for n in text.split(",")]


def _int(options: Options, key: str, default: int) -> int:
    return int(options.get(key, default))


def activate(name: str, x: Array) -> Array:
    with np.errstate(over="ignore"):
        return ACTIVATIONS[name](x)


def logistic(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def selu(x: Array) -> Array:
    return np.where(x >= 0, 1.0507 * x, 1.0507 * 1.6732 * np.expm1(np.minimum(x, 0)))


def stair(x: Array) -> Array:
    n = np.floor(x)
    return np.where(n % 2 == 0, np.floor(x / 2), (x - n) + np.floor(x / 2))


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "logistic": logistic,
    "loggy": lambda x: 2 / (1 + np.exp(-x)) - 1,
    "relu": lambda x: x * (x > 0),
    "relu6": lambda x: np.minimum(np.maximum(x, 0), 6),
    "elu": lambda x: np.where(x >= 0, x, np.expm1(np.minimum(x, 0))),
    "selu": selu,
    "relie": lambda x: np.where(x > 0, x, 0.01 * x),
    "ramp": lambda x: x * (x > 0) + 0.1 * x,
    "leaky": lambda x: np.where(x > 0, x, 0.1 * x),
    "tanh": lambda x: 2 / (1 + np.exp(-2 * x)) - 1,
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(0.797885 * x + 0.035677 * x**3)),
    "swish": lambda x: x * logistic(x),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(np.minimum(x, 20))) + np.maximum(x - 20, 0)),
    "hard_mish": lambda x: np.where(x > 0, x, np.where(x > -2, x * x / 2 + x, 0)),
    "hardtan": lambda x: np.clip(x, -1, 1),
    "lhtan": lambda x: np.where(x < 0, 0.001 * x, np.where(x > 1, 0.001 * (x - 1) + 1, x)),
    "plse": lambda x: np.where(
        x < -4, 0.01 * (x + 4), np.where(x > 4, 0.01 * (x - 4) + 1, 0.125 * x + 0.5)
    ),
    "stair": stair,
}


def scaled(x: Array, bias: Array, scale: Array, mean: Array, variance: Array) -> Array:
    def over(a: Array) -> Array:
        return a.reshape(1, -1, *[1] * (x.ndim - 2))

    normal = (x - over(mean)) / np.sqrt(over(variance) + 1e-5)
    return np.asarray(normal * over(scale) + over(bias))


def convolutional(net: Net, o: Options, x: Array) -> Array:
    n, c, h, w = x.shape
    filters, size, groups = _int(o, "filters", 1), _int(o, "size", 1), _int(o, "groups", 1)
    stride = _int(o, "stride", 1)
    sy, sx = _int(o, "stride_y", stride), _int(o, "stride_x", stride)
    d = _int(o, "dilation", 1) if size > 1 else 1
    pad = size // 2 if _int(o, "pad", 0) else _int(o, "padding", 0)
    oh, ow = (h + 2 * pad - size) // sy + 1, (w + 2 * pad - size) // sx + 1
    place = len(net.outputs)
    if "share_index" in o:
        arrays = net.loaded[place + _int(o, "share_index", 0)]
    else:
        arrays = [net.draw(filters)]
        if _int(o, "batch_normalize", 0):
            arrays += [net.draw(filters), net.draw(filters), net.draw(filters, positive=True)]
        kernel = (c // groups, size, size)
        if _int(o, "flipped", 0):
            arrays.append(net.draw(*kernel, filters).transpose(3, 0, 1, 2))
        else:
            arrays.append(net.draw(filters, *kernel))
    net.loaded[place] = arrays
    *vectors, weight = arrays
    wide = np.pad(x, ((0, 0), (0, 0), (pad * d, pad * d), (pad * d, pad * d)))
    out = np.zeros((n, filters, oh, ow))
    per, each = c // groups, filters // groups
    for f in range(filters):
        for k in range(per):
            plane = wide[:, f // each * per + k]
            for i in range(size):
                for j in range(size):
                    part = plane[:, i * d :: sy, j * d :: sx][:, :oh, :ow]
                    out[:, f] += weight[f, k, i, j] * part
    bias, *norm = vectors
    out = scaled(out, bias, *norm) if norm else out + bias[:, None, None]
    return activate(o.get("activation", "logistic"), out)


def connected(net: Net, o: Options, x: Array) -> Array:
    flat = x.reshape(len(x), -1)
    outputs = _int(o, "output", 1)
    bias = net.draw(outputs)
    if net.transposed:
        weight = net.draw(flat.shape[1], outputs).T
    else:
        weight = net.draw(outputs, flat.shape[1])
    out = flat @ weight.T
    if _int(o, "batch_normalize", 0):
        norm = [net.draw(outputs), net.draw(outputs), net.draw(outputs, positive=True)]
        out = scaled(out, bias, *norm)
    else:
        out = out + bias
    return activate(o.get("activation", "logistic"), out)


def batchnorm(net: Net, o: Options, x: Array) -> Array:
    c = x.shape[1]
    return scaled(x, net.draw(c), net.draw(c), net.draw(c), net.draw(c, positive=True))


def pool(reduce: Callable[[Array], float]) -> Callable[[Net, Options, Array], Array]:
    def layer(net: Net, o: Options, x: Array) -> Array:
        if _int(o, "maxpool_depth", 0):
            made = _int(o, "out_channels", 1)
            return np.stack([x[:, g::made].max(1) for g in range(made)], 1)
        n, c, h, w = x.shape
        stride = _int(o, "stride", 1)
        sy, sx = _int(o, "stride_y", stride), _int(o, "stride_x", stride)
        size = _int(o, "size", stride)
        padding = _int(o, "padding", size - 1)
        out = np.zeros((n, c, (h + padding - size) // sy + 1, (w + padding - size) // sx + 1))
        for b, k, i, j in np.ndindex(out.shape):
            rows = [r for r in range(i * sy - padding // 2, i * sy - padding // 2 + size) if r >= 0]
            cols = [q for q in range(j * sx - padding // 2, j * sx - padding // 2 + size) if q >= 0]
            out[b, k, i, j] = reduce(x[b, k, rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1])
        return out

    return layer


def upsample(net: Net, o: Options, x: Array) -> Array:
    step = _int(o, "stride", 2)
    return x.repeat(step, 2).repeat(step, 3) * float(o.get("scale", 1))


def reorganised(x: Array, c: int, h: int, w: int, step: int, forward: bool) -> Array:
    """One image, flat in, flat out."""
    out, few = np.zeros(x.size), c // (step * step)
    for k, j, i in np.ndindex(c, h, w):
        here = i + w * (j + h * k)
        right, down = i * step + k // few % step, j * step + k // few // step
        there = right + w * step * (down + h * step * (k % few))
        if forward:
            out[there] = x[here]
        else:
            out[here] = x[there]
    return out


def reorg(original: bool) -> Callable[[Net, Options, Array], Array]:
    def layer(net: Net, o: Options, x: Array) -> Array:
        n, c, h, w = x.shape
        step, reverse = _int(o, "stride", 1), bool(_int(o, "reverse", 0))
        q = step * step
        made = (c // q, h * step, w * step) if reverse else (c * q, h // step, w // step)
        view = (c, h, w) if original else made
        flat = [reorganised(image.reshape(-1), *view, step, reverse) for image in x]
        return np.stack(flat).reshape(n, *made)

    return layer


def crop(net: Net, o: Options, x: Array) -> Array:
    h, w = _int(o, "crop_height", 1), _int(o, "crop_width", 1)
    top, left = (x.shape[2] - h) // 2, (x.shape[3] - w) // 2
    out = x[:, :, top : top + h, left : left + w]
    return out if _int(o, "noadjust", 0) else out * 2 - 1


def normalization(net: Net, o: Options, x: Array) -> Array:
    size, alpha = _int(o, "size", 5), float(o.get("alpha", 0.0001))
    squares, norms = x * x, np.zeros_like(x)
    norms[:, 0] = float(o.get("kappa", 1)) + alpha * squares[:, : size // 2].sum(1)
    for k in range(1, x.shape[1]):
        norms[:, k] = norms[:, k - 1]
        if (before := k - (size - 1) // 2 - 1) >= 0:
            norms[:, k] -= alpha * squares[:, before]
        if (behind := k + size // 2) < x.shape[1]:
            norms[:, k] += alpha * squares[:, behind]
    return x * norms ** -float(o.get("beta", 0.75))


def shortcut(net: Net, o: Options, x: Array) -> Array:
    others = net.many(o["from"])
    count, out = len(others) + 1, x.copy()
    shares = np.ones((count, 1))
    if (kind := o.get("weights_type", "none")) != "none":
        shares = net.draw(count, x.shape[1] if kind == "per_channel" else 1)
        norm = o.get("weights_normalization", "none")
        if norm == "softmax":
            shares = np.exp(shares - shares.max(0))
        elif norm != "none":
            shares = np.maximum(shares, 0)
        if norm != "none":
            shares = shares / (shares.sum(0) + 1e-4)
    out = out * shares[0].reshape(1, -1, 1, 1)
    for other, share in zip(others, shares[1:], strict=True):
        _, c1, h1, w1 = other.shape
        _, c2, h2, w2 = x.shape
        stride, sample = max(1, w1 // w2), max(1, w2 // w1)
        for k, j, i in np.ndindex(min(c1, c2), min(h1, h2), min(w1, w2)):
            add = other[:, k, j * stride, i * stride] * share[min(k, len(share) - 1)]
            out[:, k, j * sample, i * sample] += add
    return activate(o.get("activation", "linear"), out)


def route(net: Net, o: Options, x: Array) -> Array:
    groups, group = _int(o, "groups", 1), _int(o, "group_id", 0)
    parts = net.many(o["layers"])
    if len({p.shape[2:] for p in parts}) > 1 or parts[0].ndim == 2:
        parts = [p.reshape(len(p), -1) for p in parts]
    cut = [np.split(p, groups, 1)[group] for p in parts]
    return np.concatenate(cut, 1)


def product(net: Net, o: Options, x: Array) -> Array:
    return activate(o.get("activation", "linear"), net.layer(int(o["from"])) * x)


def softmaxed(x: Array, axis: int) -> Array:
    made = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(made / made.sum(axis, keepdims=True))


def softmax(net: Net, o: Options, x: Array) -> Array:
    x = x / float(o.get("temperature", 1))
    if _int(o, "spatial", 0):
        return softmaxed(x, 1)
    groups = _int(o, "groups", 1)
    return softmaxed(x.reshape(len(x), groups, -1), 2).reshape(len(x), -1)


def yolo(net: Net, o: Options, x: Array) -> Array:
    n, c, h, w = x.shape
    boxes = len(o["mask"].split(",")) if "mask" in o else _int(o, "num", 1)
    out = x.reshape(n, boxes, c // boxes, h, w).copy()
    scale = float(o.get("scale_x_y", 1))
    if not _int(o, "new_coords", 0):
        out[:, :, :2], out[:, :, 4:] = logistic(out[:, :, :2]), logistic(out[:, :, 4:])
    out[:, :, :2] = out[:, :, :2] * scale - 0.5 * (scale - 1)
    return out.reshape(x.shape)


def region(net: Net, o: Options, x: Array) -> Array:
    n, c, h, w = x.shape
    boxes, coords = _int(o, "num", 1), _int(o, "coords", 4)
    background, soft = _int(o, "background", 0), _int(o, "softmax", 0)
    out = x.reshape(n, boxes, c // boxes, h, w).copy()
    out[:, :, :2] = logistic(out[:, :, :2])
    if not background:
        out[:, :, coords] = logistic(out[:, :, coords])
    kinds = out[:, :, coords + 1 :]
    if not soft:
        out[:, :, coords + 1 :] = logistic(kinds)
    else:
        first = coords + (not background)
        out[:, :, first:] = softmaxed(out[:, :, first:], 2)
    return out.reshape(x.shape)


def detection(net: Net, o: Options, x: Array) -> Array:
    out = x.reshape(len(x), -1).copy()
    cells, classes = _int(o, "side", 7) ** 2, _int(o, "classes", 1)
    if _int(o, "softmax", 0):
        kinds = out[:, : cells * classes].reshape(len(x), cells, classes)
        out[:, : cells * classes] = softmaxed(kinds, 2).reshape(len(x), -1)
    return out


LAYERS: dict[str, Callable[[Net, Options, Array], Array]] = {
    "convolutional": convolutional,
    "connected": connected,
    "batchnorm": batchnorm,
    "maxpool": pool(np.max),
    "local_avgpool": pool(np.mean),
    "avgpool": lambda net, o, x: x.mean((2, 3), keepdims=True),
    "upsample": upsample,
    "reorg": reorg(True),
    "reorg3d": reorg(False),
    "crop": crop,
    "normalization": normalization,
    "shortcut": shortcut,
    "route": route,
    "scale_channels": product,
    "sam": product,
    "activation": lambda net, o, x: activate(o["activation"], x),
    "dropout": lambda net, o, x: x,
    "cost": lambda net, o, x: x,
    "softmax": softmax,
    "yolo": yolo,
    "region": region,
    "detection": detection,
}
