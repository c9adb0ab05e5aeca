"""The graph while it grows."""

import numpy as np
import pytest

from frontends.darknet import graph
from frontends.darknet.weights import Weights
from frontends.model import ModelError
from tests.frontends.darknet.reference import head


def test_layers_by_number() -> None:
    g = graph.Graph(Weights(head() + bytes(4)), 1)
    g.layers += [g.value("a", 1), g.value("b", 2)]
    assert g.layer(0).name == g.layer(-2).name == "a"
    with pytest.raises(ModelError, match="names the layer 2"):
        g.layer(2)


def test_constants_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MAX_BYTES", 10)
    g = graph.Graph(Weights(head() + bytes(4)), 1)
    g.constant(np.zeros(2, np.float32))
    with pytest.raises(ModelError, match="more than 10 bytes"):
        g.constant(np.zeros(2, np.float32))


def test_sizes_are_bounded() -> None:
    g = graph.Graph(Weights(head() + bytes(4)), 1 << 20)
    with pytest.raises(ModelError, match="would give 64 x 64 numbers"):
        g.value("a", 64, 64)
