"""An ONNX graph in the making: every value's shape and type are known as soon as it is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

from frontends.model import ModelError

Array = NDArray[Any]
OPSET = 20
OPSETS = [helper.make_opsetid("", OPSET)]
DECIDING = 1 << 12  # a constant of more elements decides no shape


@dataclass(frozen=True)
class Value:
    """A tensor of the graph. dtype: numpy's name."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    known: TensorProto | None = field(default=None, compare=False)

    @property
    def rank(self) -> int:
        return len(self.shape)

    def axis(self, axis: int) -> int:
        """From the front. Raises ModelError for one that is not there."""
        if not -self.rank <= axis < self.rank:
            raise ModelError(f"there is no axis {axis} in the shape {list(self.shape)}")
        return axis % self.rank


Operand = Value | Array | float | Sequence[int] | None


# f(graph, *inputs, **attributes): its keywords, by their annotations, are MXNet's attributes.
Table = dict[str, Callable[..., Value | Sequence[Value]]]


class Graph:
    """`g("Relu", x)` adds a node and gives what it makes. A number takes the type of the first
    value, a list is int64.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[TensorProto] = []
        self.titles: set[str] = set()
        self.label = ""  # the node of the symbol that is being translated

    def constant(self, array: Array, name: str = "") -> Value:
        name = name or f"{self.label}:constant{len(self.stored)}"
        whole = np.ascontiguousarray(array).reshape(array.shape)
        made = numpy_helper.from_array(whole, name)
        self.stored.append(made)
        return Value(name, array.shape, str(array.dtype), made if array.size <= DECIDING else None)

    def __call__(self, kind: str, *operands: Operand, **attributes: Any) -> Value:
        (value,) = self.several(1, kind, *operands, **attributes)
        return value

    def several(
        self, count: int, kind: str, *operands: Operand, **attributes: Any
    ) -> tuple[Value, ...]:
        """A node with so many results."""
        like = _type_of_numbers(operands)
        inputs = [None if o is None else self._value(o, like) for o in operands]
        names = [f"{self.label}:{kind}{len(self.nodes)}.{n}" for n in range(count)]
        node = helper.make_node(
            kind, ["" if i is None else i.name for i in inputs], names, name=self._title(names[0]),
            **{k: v for k, v in attributes.items() if v is not None},
        )  # fmt: skip
        made = self._inferred(node, [i for i in inputs if i is not None])
        self.nodes.append(node)
        return made

    def _title(self, otherwise: str) -> str:
        """Names of nodes differ: the first that an operator becomes has its name."""
        name = otherwise if self.label in self.titles else self.label
        self.titles.add(name)
        return name

    def _value(self, operand: Value | Array | float | Sequence[int], like: str) -> Value:
        if isinstance(operand, Value):
            return operand
        if isinstance(operand, np.ndarray):
            return self.constant(operand)
        if isinstance(operand, (int, float)):
            return self.constant(np.array(operand).astype(like))
        return self.constant(np.array(operand, np.int64))

    def _inferred(self, node: onnx.NodeProto, inputs: Sequence[Value]) -> tuple[Value, ...]:
        types = {i.name: helper.make_tensor_type_proto(_number(i.dtype), i.shape) for i in inputs}
        data = {i.name: i.known for i in inputs if i.known is not None}
        schema = onnx.defs.get_schema(node.op_type, OPSET)
        try:
            found = shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=OPSETS, ir_version=10
            )
        except Exception as problem:  # whatever the schema's C++ says of operands that do not fit
            shapes = [list(i.shape) for i in inputs]
            raise ModelError(f"{node.op_type} of the shapes {shapes}: {problem}") from None
        return tuple(_typed(name, found.get(name)) for name in node.output)

    # --- what many operators need

    def reshape(self, x: Value, dims: Sequence[int]) -> Value:
        if math.prod(dims) != math.prod(x.shape):
            raise ModelError(f"the shape {list(x.shape)} cannot become {list(dims)}")
        return x if tuple(dims) == x.shape else self("Reshape", x, list(dims), allowzero=1)

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        same = list(order) == list(range(x.rank))
        return x if same else self("Transpose", x, perm=list(order))

    def cast(self, x: Value, dtype: str) -> Value:
        return x if x.dtype == dtype else self("Cast", x, to=_number(dtype))

    def slice(self, x: Value, axis: int, start: int, stop: int) -> Value:
        return self("Slice", x, [start], [stop], [axis])

    def model(
        self, inputs: Sequence[Value], outputs: Sequence[tuple[str, Value]]
    ) -> onnx.ModelProto:
        """The whole, with these inputs, and outputs by these names."""
        for name, value in outputs:
            self.nodes.append(helper.make_node("Identity", [value.name], [name], name=name))
        graph = helper.make_graph(
            self.nodes,
            "symbol",
            [_info(value.name, value) for value in inputs],
            [_info(name, value) for name, value in outputs],
            self.stored,
        )
        return helper.make_model(graph, opset_imports=OPSETS, ir_version=10)


def _type_of_numbers(operands: Sequence[Operand]) -> str:
    """A condition says nothing of the numbers beside it."""
    types = [o.dtype for o in operands if isinstance(o, Value) and o.dtype != "bool"]
    return types[0] if types else "float32"


def _number(dtype: str) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _info(name: str, value: Value) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, _number(value.dtype), value.shape)


def _typed(name: str, kind: onnx.TypeProto | None) -> Value:
    if kind is None or not kind.tensor_type.HasField("shape"):
        raise ModelError(f"the shape of {name} is not known")
    dims = kind.tensor_type.shape.dim
    if not all(d.HasField("dim_value") for d in dims):
        raise ModelError(f"the shape of {name} is not known")
    dtype = str(np.dtype(helper.tensor_dtype_to_np_dtype(kind.tensor_type.elem_type)))
    return Value(name, tuple(d.dim_value for d in dims), dtype)
