"""The text of a .cfg."""

import pytest

from frontends.darknet import cfg
from frontends.model import ModelError

TEXT = b"""# a net
[net]
width = 4  # of the image
; nothing

[convolutional]\r
size=3
size=5
stride = 2.0
scale=1e-1
layers = -1, 8
"""


def test_sections_and_lines() -> None:
    net, layer = cfg.read(TEXT)
    assert (net.kind, net.line, net.integer("width", 0)) == ("net", 2, 4)
    assert (layer.kind, layer.line) == ("convolutional", 6)
    assert layer.options["size"] == (7, "3")
    assert layer.integer("size", 1) == 3 and layer.integer("filters", 1) == 1
    assert layer.integer("stride", 1) == 2
    assert layer.number("scale", 1) == 0.1 and layer.number("thresh", 0.5) == 0.5
    assert layer.integers("layers") == [-1, 8] and layer.integers("from") == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "does not begin with a section"),
        (b"[yolo]\n", "does not begin with a section"),
        (b"[net]\n", "has 0 layers"),
        (b"[net]\n" + b"[cost]\n" * 5000, "has 5000 layers"),
        (b"width=3\n[net]\n", "line 1 is neither"),
        (b"[net]\nwidth\n", "line 2 is neither .section. nor key=value: width"),
        (b"[net]\n=3\n", "line 2 is neither"),
        (b"\xff\xfe\x00" * 99, "line 1 is neither"),
        (b"#" * (2 << 20), "has 2097152 bytes"),
    ],
)
def test_what_is_no_cfg(data: bytes, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        cfg.read(data)


@pytest.mark.parametrize("value", ["three", "", "-1", "99999999999999999999999", "99999999"])
def test_what_is_no_number(value: str) -> None:
    _, layer = cfg.read(f"[net]\n[conv]\nsize={value}\n".encode())
    with pytest.raises(ModelError, match=r"line 3: size=.* is no integer from 1 to 16777216"):
        layer.integer("size", 1, 1)


def test_what_is_no_float() -> None:
    _, layer = cfg.read(b"[net]\n[conv]\nscale=x\n")
    with pytest.raises(ModelError, match="line 3: scale=x is no number"):
        layer.number("scale", 1)
