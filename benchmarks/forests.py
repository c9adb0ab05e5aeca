"""`python -m benchmarks forests`: tree ensembles beside XGBoost, ONNX Runtime and treelite.

XGBoost trains the first two, on its own threads; the others are real, out of a package. A forest
is compiled once, for any number of rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from benchmarks import models
from benchmarks.artifacts import Network
from frontends.xgboost import booster, document, graph

PEERS = ["xgboost", "xgboost_c", "ort", "treelite", "tl2cgen"]
ROWS = (1, 100, 10_000)
FEATURES, EXAMPLES, BINS = 50, 20_000, 256
TRAINED = {"trees100_depth6": (100, 6), "trees500_depth8": (500, 8)}
NAMES = [f"{name}-{rows}" for name in (*TRAINED, *models.BOOSTERS) for rows in ROWS]


def network(name: str) -> Network:
    """A forest and the rows that it is fed with: as ONNX, for ONNX Runtime, with the booster beside
    it. Raises FetchError if it cannot be had.
    """
    kind, _, rows = name.rpartition("-")
    folder = models.cache_folder().parent / "forests"
    folder.mkdir(parents=True, exist_ok=True)
    source = _trained(folder, kind) if kind in TRAINED else models.fetch(kind)
    beside = folder / f"{kind}.ubj"
    if source != beside:
        beside.write_bytes(source.read_bytes())
    path = beside.with_suffix(".onnx")
    read = booster.of(document.read(beside.read_bytes()))
    if not path.exists():
        onnx.save(graph.model(read), path)
    x = np.random.default_rng(1).standard_normal((int(rows), read.features))
    return Network(name, path, {graph.INPUT: x.astype(np.float32)}, booster=beside)


def _trained(folder: Path, name: str) -> Path:
    path = folder / f"{name}.ubj"
    if not path.exists():
        try:
            import xgboost
        except ImportError as error:
            raise models.FetchError("XGBoost trains it: pip install '.[benchmarks]'") from error
        trees, depth = TRAINED[name]
        rng = np.random.default_rng(0)
        x = rng.standard_normal((EXAMPLES, FEATURES)).astype(np.float32)
        y = np.sin(x[:, :10]).sum(1) + x[:, 10] * x[:, 11] + 0.3 * rng.standard_normal(EXAMPLES)
        settings = {"max_depth": depth, "eta": 0.1, "tree_method": "hist", "max_bin": BINS}
        xgboost.train(settings, xgboost.DMatrix(x, y), trees).save_model(path)
    return path
