"""`python -m benchmarks.zoo.boosters FILE BOOSTER OBJECTIVE SIZE`: a forest and its answers to some
rows, for an environment with any XGBoost. FILE's suffix tells how it is saved.
"""

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.zoo import sample

SIZES = {"small": (20, 3), "large": (100, 6)}  # rounds and depth
EXAMPLES, FEATURES, ASKED = 2000, 20, 100


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.standard_normal((EXAMPLES, FEATURES)).astype(np.float32)
    y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2] + 0.1 * random.standard_normal(EXAMPLES)
    return np.where(random.random(x.shape) < 0.05, np.nan, x), y


def targets(objective: str, y: np.ndarray) -> np.ndarray:
    if objective.startswith("multi"):
        return np.asarray(np.digitize(y, [-0.5, 0.5]))
    if objective.startswith("binary"):
        return np.asarray(y > 0)
    return y if objective.startswith(("reg:sq", "reg:abs")) else np.asarray(np.floor(np.exp(y)) + 1)


def main(place: Path, kind: str, objective: str, size: str) -> None:
    import xgboost

    x, y = data()
    rounds, depth = SIZES[size]
    settings: dict[str, Any] = {"booster": kind, "objective": objective, "seed": 0}
    settings |= {} if kind == "gblinear" else {"max_depth": depth}
    settings |= {"num_class": 3} if objective.startswith("multi") else {}
    settings |= {"rate_drop": 0.1} if kind == "dart" else {}
    matrix = xgboost.DMatrix(x, targets(objective, y))
    if objective.startswith("rank"):
        matrix.set_group([20] * (EXAMPLES // 20))
    trained = xgboost.train(settings, matrix, rounds)
    if place.suffix == ".pkl":
        place.write_bytes(pickle.dumps(trained))
    else:
        trained.save_model(str(place))
    rows = x[:ASKED]
    wanted = trained.predict(xgboost.DMatrix(rows)).reshape(len(rows), -1)
    sample.keep(place, {"data": rows}, [wanted])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
