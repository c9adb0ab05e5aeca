"""MXNet in: symbol JSON and `.params`, by readers of our own, as an ONNX model.

MXNet itself takes no part: it is no longer made, and needs a numpy that nothing else wants.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import onnx

from frontends import onnx as hub
from frontends.model import DataInputConfig, Known, Model, ModelError
from frontends.mxnet import attributes, params, symbol
from frontends.mxnet.convert import Converter
from frontends.mxnet.symbol import Symbol

CANNOT_LOAD = "Framework can't load the MXNet model:"
CANNOT_CONVERT = "TVM can't convert the MXNet model."
Shapes = dict[str, tuple[int, ...]]


def load(path: Path, config: DataInputConfig | None) -> Model:
    """path: the symbol file; its parameters lie beside it. Raises ModelError."""
    try:
        read = symbol.parse(path.read_bytes())
        arrays = params.parse(_parameters(path).read_bytes())
    except ModelError as problem:
        raise ModelError(f"{CANNOT_LOAD} {problem}") from None
    try:
        converter = Converter(read, arrays)
        shapes = _shapes(converter, config)
        proto = converter.model(shapes)
    except ModelError as problem:
        raise ModelError(f"{CANNOT_CONVERT} {problem}") from None
    made = path.with_name(f"{path.name}.onnx")
    onnx.save(proto, made)
    given = {i.name: shapes[i.name] for i in proto.graph.input}
    model = hub.load(made, dict(given))
    derived = None if config else json.dumps({n: list(s) for n, s in given.items()})
    return replace(model, derived=derived, framework_version=_version(read))


def _version(read: Symbol) -> str:
    return f"{read.version // 10000}.{read.version // 100 % 100}.{read.version % 100}"


def _parameters(path: Path) -> Path:
    """Of several, those of the last epoch: its number ends the name."""
    prefix = path.name.removesuffix(".json").removesuffix("-symbol")
    found = [p for p in path.parent.iterdir() if p.name.endswith(".params")]
    found = sorted(p for p in found if p.name.startswith(prefix))
    if not found:
        raise ModelError(
            f"No parameter file found for MXNet model: {path.name} Please make sure the prefix of "
            "params file match the prefix of symbol file."
        )
    return max(found, key=lambda p: (len(p.stem), p.stem))


def _shapes(converter: Converter, config: DataInputConfig | None) -> Shapes:
    """By name. Labels may be given a shape, as Neo had it, and are inputs then."""
    needed = [n.name for n in converter.needed]
    known = needed + [n.name for n in converter.labels]
    if isinstance(config, list):
        if len(config) not in (len(needed), len(known)):
            raise ModelError(
                f"DataInputConfig lists {len(config)} shapes; the model's inputs are {needed}"
            )
        names = needed if len(config) == len(needed) else known
        config = dict(zip(names, config, strict=True))
    shapes: Shapes = {}
    for name, given in (config or {}).items():
        if name not in known:
            raise ModelError(
                f"DataInputConfig names the input '{name}', which the model does not have; its "
                f"inputs are {needed}"
            )
        if isinstance(given, Known) or min(given, default=1) < 1:
            raise ModelError(f"DataInputConfig gives input '{name}' no shape of positive numbers")
        shapes[name] = given
    for node in converter.needed:
        own = attributes.shape(node.attributes.get("__shape__"))
        if node.name not in shapes and own is None:
            if config is None:
                raise ModelError(hub.CANNOT_DERIVE.format(f"input '{node.name}' having no shape"))
            raise ModelError(
                f"DataInputConfig has no shape for input '{node.name}', and no parameter is called "
                "so"
            )
        shapes.setdefault(node.name, own or ())
    return shapes
