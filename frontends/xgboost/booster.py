"""A Booster's document as numbers: trees or a linear model, and its objective's last step."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frontends.model import ModelError
from frontends.nodes import LEAF, LT, MEMBER, Array, Nodes

LAST_MARGIN = 1  # files of before this version hold the base score as a margin


def logit(score: Array) -> Array:
    return np.asarray(-np.log(1.0 / score - 1.0))


def same(score: Array) -> Array:
    return score


# What is done with the margin, and the base score as a margin.
OBJECTIVES: Mapping[str, tuple[str, Callable[[Array], Array]]] = {
    **dict.fromkeys(
        (
            "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror",
            "reg:absoluteerror", "reg:quantileerror", "reg:expectileerror", "rank:pairwise",
            "rank:ndcg", "rank:map", "survival:interval",
        ),
        ("none", same),
    ),
    **dict.fromkeys(("binary:logistic", "reg:logistic"), ("sigmoid", logit)),
    "binary:logitraw": ("none", same),
    "binary:hinge": ("hinge", same),
    **dict.fromkeys(
        ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"),
        ("exp", np.log),
    ),
    "multi:softprob": ("softmax", same),
    "multi:softmax": ("argmax", same),
}  # fmt: skip


@dataclass(frozen=True)
class Booster:
    """base: the margin before the first tree, one of each output. nodes: None where there are no
    trees. targets: the output that each tree adds to. leaves: [number, 1], or [number, outputs].
    weights: [features + 1, outputs], of a linear model, the biases last. transform: one of
    graph.TRANSFORMS.
    """

    features: int
    outputs: int
    base: Array
    transform: str
    nodes: Nodes | None
    targets: Array
    leaves: Array
    weights: Array | None
    version: str


def of(document: Mapping[str, Any]) -> Booster:
    """Raises ModelError."""
    try:
        return _booster(document)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as problem:
        raise ModelError(
            f"The XGBoost model is incomplete: {type(problem).__name__} {problem}"
        ) from None


def _booster(document: Mapping[str, Any]) -> Booster:
    learner, version = document["learner"], [int(v) for v in document.get("version", [1, 0, 0])]
    parameters, name = learner["learner_model_param"], learner["objective"]["name"]
    if name not in OBJECTIVES:
        raise ModelError(f"The objective '{name}' is unknown; known are {', '.join(OBJECTIVES)}.")
    transform, margin = OBJECTIVES[name]
    classes, several = int(parameters["num_class"]), int(parameters.get("num_target", 1))
    outputs = max(classes, several, 1)
    scores = _scores(parameters["base_score"])
    base = scores if version[0] < LAST_MARGIN else margin(scores)
    if not np.isfinite(base).all():
        raise ModelError(f"The base_score {parameters['base_score']} has no margin under {name}.")
    boosted = learner["gradient_booster"]
    features = int(parameters["num_feature"])
    rest: dict[str, Any] = {
        "features": features,
        "outputs": outputs,
        "base": np.broadcast_to(base.astype(np.float32), outputs),
        "transform": transform,
        "version": ".".join(map(str, version)),
    }
    none = np.zeros(0, np.int64)
    if boosted["name"] == "gblinear":
        weights = np.asarray(boosted["model"]["weights"], np.float32)
        weights = weights.reshape(features + 1, outputs)
        rest["base"] = np.full(outputs, rest["base"][0])  # it adds the first score to every output
        return Booster(**rest, nodes=None, targets=none, leaves=none, weights=weights)
    if boosted["name"] not in ("gbtree", "dart"):
        raise ModelError(f"The booster '{boosted['name']}' is unknown.")
    dart = boosted["name"] == "dart"
    model = boosted["gbtree"]["model"] if dart else boosted["model"]
    trees = model["trees"]
    if not trees:
        weights = np.zeros((features + 1, outputs), np.float32)
        return Booster(**rest, nodes=None, targets=none, leaves=none, weights=weights)
    drops = np.asarray(boosted["weight_drop"], np.float32) if dart else np.ones(len(trees), "f4")
    targets = np.asarray(model["tree_info"], np.int64)
    nodes, leaves = _nodes(trees, drops, features)
    if (
        len(targets) != len(trees)
        or targets.min(initial=0) < 0
        or targets.max(initial=0) >= outputs
    ):
        raise ModelError("The XGBoost model's trees add to outputs that it does not have.")
    if leaves.shape[1] not in (1, outputs):
        raise ModelError(f"Leaves of {leaves.shape[1]} numbers do not fit {outputs} outputs.")
    return Booster(**rest, nodes=nodes, targets=targets, leaves=leaves, weights=None)


def _scores(text: Any) -> Array:
    """A number, or, of 3.1 and later, a list of them as text."""
    value = json.loads(text) if isinstance(text, str) else text
    return np.atleast_1d(np.asarray(value, np.float64))


def _nodes(trees: Sequence[Mapping[str, Any]], drops: Array, features: int) -> tuple[Nodes, Array]:
    """All trees in one."""
    columns: dict[str, list[Array]] = {n: [] for n in ("test", "feature", "value", "yes", "no")}
    columns["missing"] = []
    members: dict[int, list[float]] = {}
    roots, leaves = [], []
    start = leaf_start = 0
    for tree, drop in zip(trees, drops, strict=True):
        left, right = (np.asarray(tree[f"{s}_children"], np.int64) for s in ("left", "right"))
        count, is_leaf = len(left), left == -1
        feature = np.where(is_leaf, 0, np.asarray(tree["split_indices"], np.int64))
        inner = ~is_leaf
        wrong = [a[inner] for a in (left, right)]
        if not count or any(((w < 0) | (w >= count)).any() for w in wrong):
            raise ModelError("A tree's node leads to a node that is not there.")
        if feature.min() < 0 or feature.max() >= max(features, 1):
            raise ModelError(f"A tree asks for a feature beyond the {features} of the model.")
        kinds = np.asarray(tree.get("split_type", np.zeros(count)), np.int64)
        is_set = inner & (kinds == 1)
        default_left = np.asarray(tree["default_left"]).astype(bool)
        size = len(np.asarray(tree["base_weights"])) // count if _is_vector(tree) else 1
        values = np.asarray(tree["split_conditions"], np.float32)
        said = _vectors(tree, size) if size > 1 else values[:, None]
        leaves.append(said[is_leaf] * drop)
        first, second = np.where(is_set, right, left), np.where(is_set, left, right)
        numbers = leaf_start + np.cumsum(is_leaf) - 1
        columns["test"].append(np.where(is_leaf, LEAF, np.where(is_set, MEMBER, LT)))
        columns["feature"].append(feature)
        columns["value"].append(np.where(is_leaf, 0, values).astype(np.float64))
        columns["yes"].append(np.where(is_leaf, numbers, first + start))
        columns["no"].append(np.where(is_leaf, 0, second + start))
        columns["missing"].append(inner & (default_left ^ is_set))
        members.update(_members(tree, start) if is_set.any() else {})
        roots.append(start)
        start += count
        leaf_start += int(is_leaf.sum())
    tests, features_, values, yes, no, missing = (np.concatenate(c) for c in columns.values())
    roots_ = np.asarray(roots, np.int64)
    made = Nodes(tests, features_, values, yes, no, missing, roots_, members)
    return made, np.concatenate(leaves)


def _is_vector(tree: Mapping[str, Any]) -> bool:
    return int(tree.get("tree_param", {}).get("size_leaf_vector", 0)) > 1


def _vectors(tree: Mapping[str, Any], size: int) -> Array:
    return np.asarray(tree["base_weights"], np.float32).reshape(-1, size)


def _members(tree: Mapping[str, Any], start: int) -> dict[int, list[float]]:
    """What leads to the right."""
    categories = np.asarray(tree["categories"], np.float64)
    rows = zip(*(tree[f"categories_{s}"] for s in ("nodes", "segments", "sizes")), strict=True)
    return {start + int(n): categories[int(a) : int(a) + int(c)].tolist() for n, a, c in rows}
