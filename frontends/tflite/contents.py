"""What a TFLite file says of itself, as far as it decides whether and for what it compiles.

Read by flatbuffers' own tables; a place outside of the file is refused.
Source: TensorFlow Lite's schema, version 3, whose fields are counted from 0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from frontends.tensorflow.declared import Input, Refused

IDENTIFIER = b"TFL3"
MOST = 1_000_000  # of anything: operators, tensors, dimensions
CUSTOM = 32  # the operator that its code's name tells
# What tf2onnx converts all the same; Flex operators are TensorFlow's own.
CONVERTED = ("TFLite_Detection_PostProcess", "Flex")
TYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 6: "bool",
    7: "int16", 8: "complex64", 9: "int8", 10: "float64", 11: "complex128", 12: "uint64",
    13: "resource", 14: "variant", 15: "uint32", 16: "uint16", 17: "int4", 18: "bfloat16",
}  # fmt: skip
INPUTS = ("float32", "float16", "float64", "bool", "int8", "int16", "int32", "int64", "uint8",
          "uint16", "uint32", "uint64")  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """shape: -1 where the file leaves a size open. stored: its numbers are in the file."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    stored: bool
    quantised: bool
    sparse: bool


@dataclass(frozen=True)
class Operator:
    """Of the first graph. custom: its name, empty for one that TFLite brings along."""

    custom: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Contents:
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def declared(self) -> list[Input]:
        """The graph's inputs, also known without the `:0` of TensorFlow's."""
        found = [self.tensors[n] for n in self.inputs]
        return [Input((t.name, t.name.removesuffix(":0")), t.shape, t.dtype) for t in found]

    def half_quantised(self) -> list[tuple[int, int]]:
        """Operators and their inputs that are stored integers, although what they make are floats:
        TFLite quantises the other inputs as it runs.
        """
        return [
            (place, n)
            for place, operator in enumerate(self.operators)
            if all(self.tensors[o].dtype == "float32" for o in operator.outputs)
            for n, i in enumerate(operator.inputs)
            if i >= 0 and self.tensors[i].quantised and self.tensors[i].stored
            if any(self.tensors[j].dtype == "float32" for j in operator.inputs if j >= 0)
        ]

    def flat(self) -> set[str]:
        """Quantised tensors of 8 bits that have lost height and width, and nothing else."""
        pairs = [
            (self.tensors[o.inputs[0]].shape, self.tensors[o.outputs[0]])
            for o in self.operators
            if o.inputs and o.inputs[0] >= 0 and o.outputs
        ]
        return {
            made.name
            for given, made in pairs
            if made.dtype in ("int8", "uint8") and len(given) == 4
            if made.shape == (given[0], 1, 1, given[3])
        }


def read(path: Path) -> Contents:
    """Raises Refused."""
    data = path.read_bytes()
    if data[4:8] != IDENTIFIER:
        raise Refused(f"{path.name} is no TFLite file of version 3")
    try:
        return _contents(_Table(data, numbers_at(data, 0)))
    except (struct.error, IndexError, ValueError, OverflowError, TypeError) as error:
        raise Refused(f"{path.name} is damaged: {error}") from None


def check(contents: Contents) -> None:
    """Raises Refused for everything that does not compile, all at once."""
    faults = []
    custom = {o.custom for o in contents.operators if o.custom}
    if unknown := sorted(name for name in custom if not name.startswith(CONVERTED)):
        names = ", ".join(f"'{name}'" for name in unknown)
        faults.append(
            f"The following operators are not implemented: {{{names}}}. They are custom: nothing "
            "but their names is in the file. Build the model of TFLite's own operators."
        )
    if sparse := [t.name for t in contents.tensors if t.sparse]:
        faults.append(
            f"{len(sparse)} tensors are stored sparse, '{sparse[0]}' among them. Convert the model "
            "without sparsity."
        )
    for tensor in (contents.tensors[n] for n in contents.inputs):
        if tensor.dtype not in INPUTS:
            faults.append(
                f"input '{tensor.name}' has elements of type {tensor.dtype}, which do not compile"
            )
    if faults:
        raise Refused(" ".join(faults))


# --- tables


def numbers_at(data: bytes, place: int) -> int:
    return int(struct.unpack_from("<I", data, place)[0])


class _Table:
    """A table of the file, its fields by number."""

    def __init__(self, data: bytes, place: int) -> None:
        if not 0 < place < len(data):
            raise ValueError("a table lies outside of it")
        from flatbuffers.table import Table  # it brings numpy along

        self._data, self._table = data, Table(data, place)

    def number(self, field: int, kind: str) -> int:
        """kind: as struct writes it. 0 where the file leaves it out."""
        offset = self._table.Offset(4 + 2 * field)
        return (
            int(struct.unpack_from(f"<{kind}", self._data, offset + self._table.Pos)[0])
            if (offset)
            else 0
        )

    def text(self, field: int) -> str:
        offset = self._table.Offset(4 + 2 * field)
        found = self._table.String(offset + self._table.Pos) if offset else b""
        return bytes(found).decode(errors="replace")

    def list(self, field: int) -> tuple[int, ...]:
        """A vector of 32-bit integers."""
        start, length = self._vector(field, 4)
        return struct.unpack_from(f"<{length}i", self._data, start)

    def tables(self, field: int) -> Iterator[_Table]:
        start, length = self._vector(field, 4)
        for place in range(start, start + 4 * length, 4):
            yield _Table(self._data, place + numbers_at(self._data, place))

    def table(self, field: int) -> _Table | None:
        offset = self._table.Offset(4 + 2 * field)
        if not offset:
            return None
        return _Table(self._data, self._table.Indirect(offset + self._table.Pos))

    def length(self, field: int) -> int:
        return self._vector(field, 1)[1]

    def _vector(self, field: int, size: int) -> tuple[int, int]:
        offset = self._table.Offset(4 + 2 * field)
        if not offset:
            return 0, 0
        start, length = self._table.Vector(offset), self._table.VectorLen(offset)
        if start + size * length > len(self._data) or (size > 1 and length > MOST):
            raise ValueError("a list is longer than the file")
        return start, length


def _contents(model: _Table) -> Contents:
    names = [(code.number(3, "i") or code.number(0, "b"), code.text(1)) for code in model.tables(1)]
    stored = [bool(b.length(0) or b.number(1, "Q")) for b in model.tables(4)]
    graph = next(model.tables(2), None)
    if graph is None:
        raise ValueError("it has no graph")
    tensors = tuple(_tensor(t, stored) for t in graph.tables(0))
    operators = []
    for one in graph.tables(3):
        code, name = names[one.number(0, "I")]
        inputs, outputs = one.list(1), one.list(2)
        if any(not -1 <= n < len(tensors) for n in (*inputs, *outputs)):
            raise ValueError("an operator reads a tensor that is not there")
        operators.append(Operator(name or "unnamed" if code == CUSTOM else "", inputs, outputs))
    inputs, outputs = graph.list(1), graph.list(2)
    if any(not 0 <= n < len(tensors) for n in (*inputs, *outputs)):
        raise ValueError("the graph has a tensor that is not there")
    return Contents(tensors, tuple(operators), inputs, outputs)


def _tensor(table: _Table, stored: list[bool]) -> Tensor:
    kind, buffer = table.number(1, "b"), table.number(2, "I")
    quantisation = table.table(4)
    return Tensor(
        name=table.text(3),
        shape=table.list(7) or table.list(0),
        dtype=TYPES.get(kind, f"number {kind}"),
        stored=buffer > 0 and stored[buffer],
        quantised=quantisation is not None and quantisation.length(2) > 0,
        sparse=table.table(6) is not None,
    )
