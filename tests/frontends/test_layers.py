"""Layers' names through the names that Relax makes unique."""

import pytest
from tvm import relax

from frontends.layers import layer_of, mark


@pytest.mark.parametrize("layer", ["/4/body.0/Conv", "a@b", "conv_1", "7", "größe", ""])
def test_a_name_comes_back_from_every_variable_of_a_layer(layer: str) -> None:
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((4,), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            first = builder.emit(relax.op.exp(x), name_hint=mark(layer))
            again = builder.emit(relax.op.exp(first), name_hint=mark(layer))
            result = builder.emit_output(again)
        builder.emit_func_output(result)
    assert first.name != again.name
    assert layer_of(first.name) == layer_of(again.name) == layer


def test_other_variables_belong_to_no_layer() -> None:
    assert layer_of("copy") == layer_of("") == ""
