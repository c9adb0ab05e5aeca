"""compiler/passes/take_input.py: which recurrent layers make their input's share themselves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compiler import pipeline
from targets import PROFILES
from tests.compiler import nets

WIDE = PROFILES["ml_c5"]


def layers(
    folder: Path, operator: str = "LSTM", units: int = 128, steps: int = 20, batch: int = 1,
    depth: int = 12,
    **attributes: int | str,
) -> list[str]:  # fmt: skip
    """The recurrent operators of a net with one layer, as lowered for ml_c5."""
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[operator] * units
    constants = {
        "w": np.ones((directions, gates, depth), np.float32),
        "r": np.ones((directions, gates, units), np.float32),
    }
    given = ", ".join(
        f'{k}="{v}"' if isinstance(v, str) else f"{k}={v}"
        for k, v in {"hidden_size": units, **attributes}.items()
    )
    body = f"y = {operator}<{given}>(x, w, r)"
    signature = f"(float[{steps}, {batch}, {depth}] x) => (float[a, b, c, d] y)"
    module = nets.load(nets.text(signature, body, constants), folder).module
    lowered = pipeline.lower(module, WIDE)
    works = pipeline.workloads(lowered).values()
    return [w.operator for w in works if w.operator.startswith("neoc.")]


@pytest.mark.parametrize(
    ("operator", "given"),
    [("LSTM", {}), ("LSTM", {"direction": "reverse"}), ("GRU", {"linear_before_reset": 1})],
)
def test_one_row_with_weights_from_the_second_cache(
    operator: str, given: dict[str, Any], tmp_path: Path
) -> None:
    assert layers(tmp_path, operator, **given) == [f"neoc.{operator.lower()}_of_input"]


@pytest.mark.parametrize(
    "given",
    [
        {"units": 32},  # in the first cache
        {"units": 512},  # in the third
        {"units": 136},  # half a vector of units
        {"batch": 2},
        {"steps": 3},
        {"depth": 10},
        {"depth": 1024},  # beyond the second cache with its input's weights
        {"direction": "bidirectional"},
    ],
    ids=str,
)
def test_others_read_their_share(given: dict[str, Any], tmp_path: Path) -> None:
    assert layers(tmp_path, **given) == ["neoc.lstm"]


def test_cells_of_two_parts_or_one_gate(tmp_path: Path) -> None:
    assert layers(tmp_path, "GRU") == ["neoc.reset_gru"]
    assert layers(tmp_path, "RNN", units=256) == ["neoc.rnn"]
