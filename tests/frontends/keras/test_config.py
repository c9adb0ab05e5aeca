"""Configurations of Keras: what is code, and what nobody knows, by name."""

from typing import Any

import pytest

from frontends.keras import config
from frontends.tensorflow.declared import Refused


def layer(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name}, **more}


def model(*layers: Any) -> dict[str, Any]:
    return {"class_name": "Functional", "config": {"name": "m", "layers": list(layers)}}


def known(kind: str) -> bool:
    return kind in ("Functional", "Sequential", "Dense", "InputLayer", "TimeDistributed")


def test_a_model_of_keras_own_layers() -> None:
    dense = layer("Dense", "d")
    dense["config"]["kernel_initializer"] = {"class_name": "Mine", "config": {"seed": 1}}
    config.check(model(layer("InputLayer", "i"), dense), known)
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [1]}}
    config.check(model(layer("Anything", "a", module="keras.layers", args=[tensor])), known)


def test_code_and_unknown_classes_are_named_together() -> None:
    wrapped = layer("TimeDistributed", "t")
    wrapped["config"]["layer"] = layer("Lambda", "inner")
    own = layer("Mine", "m1", module="own.code", registered_name="Package>Mine")
    with pytest.raises(Refused) as error:
        config.check(model(layer("Lambda", "l"), wrapped, own, layer("Strange", "s")), known)
    text = str(error.value)
    assert "not run: 'l', 'inner'." in text
    assert "Unknown classes 'Package>Mine', 'Strange' (layers 'm1', 's')" in text
    assert "framework TENSORFLOW" in text


def test_a_function_that_is_code() -> None:
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAA=="}}
    made = layer("Dense", "d", module="keras.layers", build_config=code)
    with pytest.raises(Refused, match="Lambda layers"):
        config.check(model(made), known)


@pytest.mark.parametrize("module", ["os", "builtins_", "kerasx", "subprocess"])
def test_classes_of_other_modules(module: str) -> None:
    with pytest.raises(Refused, match="Unknown classes 'system'"):
        config.check(model(layer("system", "s", module=module)), known)


def test_nesting_without_end() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Refused, match="nested"):
        config.check(deep, known)


def test_channels_first() -> None:
    conv = layer("Conv2D", "c")
    assert not config.channels_first(model(conv))
    conv["config"]["data_format"] = "channels_first"
    assert config.channels_first(model(conv))
