"""The DARKNET front end: files, shapes, signature, and what is compiled."""

from pathlib import Path

import numpy as np
import pytest

import frontends
from compiler import codegen, pipeline
from frontends.darknet import load
from frontends.model import DataInputConfig, ModelError, Tensor
from tests.compiler.kernels.harness import NARROW, Machine
from tests.frontends.darknet.judge import drawn, net
from tests.frontends.darknet.reference import head

TEXT = net(
    "convolutional filters=8 size=3 pad=1 batch_normalize=1 activation=leaky",
    "maxpool size=2 stride=2",
    "reorg stride=2",
    "convolutional filters=14 size=1 activation=linear",
    "region num=2 classes=2 softmax=1",
    shape=(3, 8, 12),
)


def written(folder: Path, text: str = TEXT) -> Path:
    made, _ = drawn(text)
    for name, data in (("a/n.cfg", text.encode()), ("b/N.WEIGHTS", head() + made.weights())):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(data)
    return folder


def test_what_is_compiled_says_what_darknet_says(tmp_path: Path) -> None:
    made, x = drawn(TEXT)
    model = load(written(tmp_path), {"data": x.shape})
    lowered = pipeline.schedule(pipeline.lower(model.module, NARROW), NARROW)
    (got,) = Machine(lowered, codegen.build(lowered.kernels, NARROW))([x])
    np.testing.assert_allclose(got, made.outputs[-1], atol=1e-5 * abs(made.outputs[-1]).max())


def test_the_shape_is_the_networks_where_nothing_is_said(tmp_path: Path) -> None:
    model = frontends.load("DARKNET", written(tmp_path), None)
    assert model.signature.inputs == (Tensor("data", (1, 3, 8, 12), "float32"),)
    assert model.signature.outputs == (Tensor("region_4", (1, 14, 2, 3), "float32"),)
    assert model.derived == '{"data": [1, 3, 8, 12]}'
    assert model.framework_version == "0.2.0"
    assert model.warnings == ()


def test_a_network_takes_other_sizes(tmp_path: Path) -> None:
    model = load(written(tmp_path), [(2, -1, 16, -1)])
    assert model.signature.outputs == (Tensor("region_4", (2, 14, 4, 3), "float32"),)


def test_a_key_that_nobody_knows_is_a_warning(tmp_path: Path) -> None:
    model = load(written(tmp_path, TEXT + "teapot=1\n"), None)
    assert model.warnings == ("line 29: key teapot of [region] is unknown and does nothing",)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"input": (1, 3, 8, 12)}, 'one input, "data"'),
        ([(1, 3, 8, 12)] * 2, "one input"),
        ({"data": (1, 4, 8, 12)}, "a batch of 3 x 8 x 12"),
        ({"data": (1, 3)}, "a batch of 3 x 8 x 12"),
    ],
)
def test_shapes_that_do_not_fit(tmp_path: Path, config: DataInputConfig, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        load(written(tmp_path), config)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEXT.replace("[net]", "[nut]"), "^Unable to load DarkNet model. The .cfg does not begin"),
        (
            TEXT.replace("reorg", "lstm"),
            r"^TVM cannot convert DarkNet model\. .*\nline \d+: section \[lstm\]",
        ),
    ],
)
def test_what_does_not_compile(tmp_path: Path, text: str, says: str) -> None:
    folder = written(tmp_path)
    (folder / "a/n.cfg").write_text(text)
    with pytest.raises(ModelError, match=says):
        load(folder, None)


def test_a_file_alone_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "n.cfg").write_text(TEXT)
    with pytest.raises(ModelError, match=r"one \.cfg and one \.weights; here are 0 \.weights"):
        load(tmp_path, None)
