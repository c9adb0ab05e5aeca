"""benchmarks/fuzz/variants.py: every variant compiles, and chance takes part where it is asked."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.fuzz import variants
from benchmarks.fuzz.drawing import Drawing, Graph, model_of
from benchmarks.fuzz.judge import answered, difference
from benchmarks.fuzz.variants import Variant


@pytest.fixture(scope="module")
def graph() -> Graph:
    g = Drawing(5, 21, "g_")
    x = g.input(g.random((1, 17, 9, 9)))
    y = g.node("Relu", g.node("Conv", x, g.weight((33, 17, 3, 3), "float32", 153), pads=[1] * 4))
    return g.graph([g.node("MaxPool", y, kernel_shape=[2, 2])])


@pytest.mark.parametrize(
    "variant",
    [
        variants.USUAL,
        Variant("ml_c5", optimised=False),
        *(Variant("ml_c4", seed, seed, optimised=False) for seed in range(3)),
    ],
    ids=str,
)
def test_every_variant_gives_the_same(graph: Graph, variant: Variant) -> None:
    assert difference(graph, answered([graph], variant)) == ""


def test_random_settings_differ(graph: Graph, tmp_path: Path) -> None:
    from benchmarks import onnx_backend
    from targets import PROFILES

    profile = PROFILES["ml_c4"]
    model, _ = onnx_backend.imported(model_of([graph]), graph.feed, tmp_path)
    lowered = variants.lower(model.module, profile, None)
    assert variants.settings(lowered, profile, None) == {}
    found = {str(sorted(_points(lowered, seed).items())) for seed in range(5)}
    assert len(found) > 1 and _points(lowered, 1) == _points(lowered, 1)


def _points(lowered: object, seed: int) -> dict[str, str]:
    from targets import PROFILES

    chosen = variants.settings(lowered, PROFILES["ml_c4"], seed)
    return {name: f"{s.template.name} {s.point}" for name, s in chosen.items()}


def test_variants_are_drawn_by_their_seed() -> None:
    drawn = [variants.drawn(seed) for seed in range(40)]
    assert drawn == [variants.drawn(seed) for seed in range(40)]
    assert variants.USUAL in drawn and {v.device for v in drawn} == {*variants.DEVICES}
    assert (
        {v.layouts is None for v in drawn} == {v.settings is None for v in drawn} == {True, False}
    )
    assert np.mean([v.optimised for v in drawn]) < 0.6
