"""benchmarks/forests.py: boosters as networks."""

from pathlib import Path

import onnx
import pytest

from benchmarks import forests, models
from tests.frontends.xgboost.files import case


def test_a_booster_is_a_network_of_so_many_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    booster = tmp_path / "booster"
    booster.write_bytes(case("3.2_best_iteration.ubj").data)
    monkeypatch.setattr(models, "fetch", lambda name: booster)
    monkeypatch.setattr(models, "cache_folder", lambda: tmp_path / "models")
    net = forests.network("nfl_qbr-100")
    assert net.feed["data"].shape == (100, 6)
    assert net.name == "nfl_qbr-100"
    assert net.booster == net.path.with_suffix(".ubj") == tmp_path / "forests" / "nfl_qbr.ubj"
    assert net.booster.read_bytes() == booster.read_bytes()
    onnx.checker.check_model(onnx.load(net.path))


def test_names() -> None:
    assert "trees500_depth8-10000" in forests.NAMES
    assert len(forests.NAMES) == len(set(forests.NAMES)) == 15
