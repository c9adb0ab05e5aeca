"""TFLite files that the tests write, byte by byte: what they say, and what is refused."""

from pathlib import Path
from typing import Any

import flatbuffers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontends.tensorflow.declared import Refused
from frontends.tflite import contents

Fields = dict[int, Any]  # number -> (how to write it, value)


def table(b: flatbuffers.Builder, fields: Fields) -> int:
    """Of fields that are numbers, or offsets of what was written before."""
    b.StartObject(max(fields, default=0) + 1)
    for number, (kind, value) in fields.items():
        if kind == "offset":
            b.PrependUOffsetTRelativeSlot(number, value, 0)
        else:
            getattr(b, f"Prepend{kind}Slot")(number, value, 0)
    return int(b.EndObject())


def vector(b: flatbuffers.Builder, values: list[int], kind: str = "Int32") -> int:
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        getattr(b, f"Prepend{'UOffsetTRelative' if kind == 'offset' else kind}")(value)
    return int(b.EndVector())


def tables(b: flatbuffers.Builder, found: list[Fields]) -> int:
    return vector(b, [table(b, fields) for fields in found], "offset")


def model(
    *,
    codes: list[tuple[int, str]],
    operators: list[tuple[int, list[int], list[int]]],
    tensors: list[tuple[str, list[int], int, int, bool]],
    sparse: bool = False,
) -> bytes:
    """tensors: name, shape, type, buffer, whether it is quantised. Buffer 1 holds numbers."""
    b = flatbuffers.Builder(1024)
    named = [(b.CreateString(name) if name else 0, code) for code, name in codes]
    of_codes = tables(b, [{1: ("offset", name), 3: ("Int32", code)} for name, code in named])
    of_tensors = []
    for name, shape, kind, buffer, quantised in tensors:
        fields: Fields = {0: ("offset", vector(b, shape)), 1: ("Int8", kind)}
        fields |= {2: ("Uint32", buffer), 3: ("offset", b.CreateString(name))}
        if quantised:
            fields[4] = ("offset", table(b, {2: ("offset", vector(b, [1]))}))
        if sparse:
            fields[6] = ("offset", table(b, {}))
        of_tensors.append(table(b, fields))
    all_tensors = vector(b, of_tensors, "offset")
    all_operators = tables(
        b,
        [
            {0: ("Uint32", c), 1: ("offset", vector(b, i)), 2: ("offset", vector(b, o))}
            for c, i, o in operators
        ],
    )
    graph = {0: all_tensors, 1: vector(b, [0]), 2: vector(b, [len(tensors) - 1]), 3: all_operators}
    graphs = tables(b, [{n: ("offset", place) for n, place in graph.items()}])
    data = b.CreateByteVector(b"1234")
    buffers = tables(b, [{}, {0: ("offset", data)}])
    fields = {0: ("Uint32", 3), 1: ("offset", of_codes), 2: ("offset", graphs)}
    b.Finish(table(b, {**fields, 4: ("offset", buffers)}), b"TFL3")
    return bytes(b.Output())


CONV: dict[str, Any] = {
    "codes": [(3, "")],
    "operators": [(0, [0, 1], [2])],
    "tensors": [("x:0", [1, 4], 0, 0, False), ("w", [4], 9, 1, True), ("y", [1, 4], 0, 0, False)],
}


def read(folder: Path, data: bytes) -> contents.Contents:
    path = folder / "model.tflite"
    path.write_bytes(data)
    return contents.read(path)


def test_what_it_says(tmp_path: Path) -> None:
    made = read(tmp_path, model(**CONV))
    [one] = made.declared()
    assert (one.names, one.shape, one.dtype) == (("x:0", "x"), (1, 4), "float32")
    assert [t.dtype for t in made.tensors] == ["float32", "int8", "float32"]
    assert made.operators[0].custom == "" and made.outputs == (2,)
    assert made.half_quantised() == [(0, 1)]
    contents.check(made)


def test_means_over_height_and_width(tmp_path: Path) -> None:
    shapes = {"x": [1, 3, 3, 8], "flat": [1, 1, 1, 8], "thin": [1, 1, 3, 8], "wide": [1, 1, 1, 8]}
    tensors = [(n, s, 7 if n == "wide" else 9, 0, True) for n, s in shapes.items()]
    data = model(codes=[(40, "")], operators=[(0, [0], [n]) for n in (1, 2, 3)], tensors=tensors)
    assert read(tmp_path, data).flat() == {"flat"}


def test_custom_operators_are_named_at_once(tmp_path: Path) -> None:
    codes = [(32, "Mine"), (32, "TFLite_Detection_PostProcess"), (32, "FlexErf"), (32, "Yours")]
    steps = [(n, [0], [2]) for n in range(4)]
    made = read(tmp_path, model(codes=codes, operators=steps, tensors=CONV["tensors"]))
    with pytest.raises(Refused, match=r"not implemented: \{'Mine', 'Yours'\}"):
        contents.check(made)


def test_what_does_not_compile(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="3 tensors are stored sparse, 'x:0' among them"):
        contents.check(read(tmp_path, model(**CONV, sparse=True)))
    texts = [("s", [1], 5, 0, False), *CONV["tensors"][1:]]
    with pytest.raises(Refused, match="input 's' has elements of type string"):
        contents.check(read(tmp_path, model(**{**CONV, "tensors": texts})))


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no TFLite file of version 3"):
        read(tmp_path, b"\x89HDF")
    with pytest.raises(Refused, match="damaged"):
        read(tmp_path, b"\xff\xff\xff\x7fTFL3")
    broken = {**CONV, "operators": [(0, [0, 7], [2])]}
    with pytest.raises(Refused, match="a tensor that is not there"):
        read(tmp_path, model(**broken))


@given(st.data())
def test_damage_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(model(**CONV))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(8, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(tmp_path_factory.getbasetemp(), bytes(whole[: data.draw(st.integers(8, len(whole)))]))
    except Refused:
        pass
