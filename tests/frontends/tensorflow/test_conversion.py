"""What is done with the graphs that tf2onnx writes; without TensorFlow."""

import pytest
from onnx import GraphProto, parser

from frontends.tensorflow import conversion
from frontends.tensorflow.declared import Chosen, Input, Refused

LOOP = """g (float[2] input_0, bool c) => (float[2] output_0) {
  y = Neg(input_0)
  output_0 = If(c) <then_branch = t () => (float[2] a) { a = Add(y, input_0) },
                    else_branch = e () => (float[2] b) { b = Identity(input_0) }>
}"""


def graph(text: str) -> GraphProto:
    return parser.parse_graph(text)


def test_tensors_are_renamed_in_branches_too() -> None:
    made = graph(LOOP)
    conversion.rename(made, {"input_0": "y", "output_0": "x:0"})
    assert [o.name for o in made.output] == ["x:0"]
    inner = conversion.graphs(made)
    assert len(inner) == 3
    assert list(inner[1].node[0].input) == ["y/inner", "y"]  # the name was taken
    assert list(inner[2].node[0].input) == ["y"]


def test_operators_that_are_left_are_named_at_once() -> None:
    made = graph("g (float[2] x) => (float[2] y) { a = Foo(x) b = Bar(a) y = Neg(b) }")
    with pytest.raises(Refused, match=r"not implemented: \{'Bar', 'Foo'\}.*because$"):
        conversion.refuse_unknown(made, ["Unsupported ops: 2", "because"])
    conversion.refuse_unknown(graph(LOOP), [])


def test_inputs_that_are_not_read_stay() -> None:
    made = graph("g (float[2] x) => (float[2] y) { y = Neg(x) }")
    given = [
        Chosen(Input((name,), None, kind), name, shape)
        for name, kind, shape in (("unread", "int64", ()), ("x", "float32", (2,)))
    ]
    conversion.declare(made, given)
    assert [i.name for i in made.input] == ["unread", "x"]
    assert made.input[0].type.tensor_type.HasField("shape")
