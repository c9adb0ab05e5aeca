"""A Booster as an ONNX model: what it is compiled from, and what verifies it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from frontends.nodes import LEAF, MEMBER, Array, Nodes, joined
from frontends.xgboost.booster import Booster

INPUT, OUTPUT, MARGIN = "data", "output", "margin"
LESS, IN = 1, 6  # modes of TreeEnsemble
Made = list[onnx.NodeProto]


def model(booster: Booster) -> onnx.ModelProto:
    made = _linear(booster) if booster.weights is not None else _trees(booster)
    made += TRANSFORMS[booster.transform]()
    outputs = 1 if booster.transform == "argmax" else booster.outputs
    graph = helper.make_graph(
        made,
        "booster",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", booster.features])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows", outputs])],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 5)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _constant(name: str, array: Array) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name))


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], **attributes)


def _linear(booster: Booster) -> Made:
    """A missing feature counts as nothing."""
    assert booster.weights is not None
    return [
        _constant("weights", np.ascontiguousarray(booster.weights[:-1])),
        _constant("biases", booster.weights[-1] + booster.base),
        _constant("nothing", np.zeros((), np.float32)),
        _node("IsNaN", [INPUT], "missing"),
        _node("Where", ["missing", "nothing", INPUT], "known"),
        _node("Gemm", ["known", "weights", "biases"], MARGIN),
    ]


def _trees(booster: Booster) -> Made:
    attributes = _ensemble(_begun(booster))
    trees = helper.make_node(
        "TreeEnsemble", [INPUT], [MARGIN], domain="ai.onnx.ml", aggregate_function=1,
        n_targets=booster.outputs, post_transform=0, **attributes,
    )  # fmt: skip
    return [trees]


def _begun(booster: Booster) -> Booster:
    """With the base score as trees that are no more than a leaf, before all others: XGBoost adds
    the trees to it one by one, and sums of float32 depend on the order.
    """
    assert booster.nodes is not None
    width = booster.leaves.shape[1]
    leaves = booster.base.reshape(-1, width)
    number, none = np.arange(len(leaves)), np.zeros(len(leaves), np.int64)
    bare = Nodes(none + LEAF, none, none * 0.0, number, none, none > 0, number)
    return replace(
        booster,
        nodes=joined([bare, booster.nodes]),
        targets=np.append(number, booster.targets),
        leaves=np.concatenate([leaves, booster.leaves]),
    )


def _ensemble(booster: Booster) -> dict[str, Any]:
    """The nodes, then the leaves. A leaf speaks of one output: trees of vectors are there once for
    each of them. A root is no leaf: a tree that is just one asks for nothing.
    """
    nodes = booster.nodes
    assert nodes is not None
    width = booster.leaves.shape[1]
    sizes = np.diff(np.append(nodes.roots, len(nodes.tests)))
    trees = np.repeat(np.arange(len(nodes.roots)), sizes)
    leaf = nodes.tests == LEAF
    bare = nodes.roots[leaf[nodes.roots]]
    inner = np.flatnonzero(~leaf)
    count = len(inner) + len(bare)
    number = np.where(leaf, nodes.yes, np.cumsum(~leaf) - 1)
    number_of_root = number[nodes.roots]
    number_of_root[leaf[nodes.roots]] = len(inner) + np.arange(len(bare))
    sides = {}
    for side, ids in (("true", nodes.yes), ("false", nodes.no)):
        led = np.append(ids[inner], bare)
        sides[f"nodes_{side}nodeids"] = number[led]
        sides[f"nodes_{side}leafs"] = leaf[led].astype(np.int64)
    spare = np.zeros(len(bare), np.int64)
    tests = np.append(nodes.tests[inner], spare)
    parts = {
        "nodes_featureids": np.append(nodes.features[inner], spare),
        "nodes_missing_value_tracks_true": np.append(nodes.missing[inner], spare).astype(np.int64),
    } | sides
    made: dict[str, Any] = {}
    for name, array in parts.items():
        leaves = sides.get(name.replace("nodeids", "leafs"))
        step = np.zeros(len(array), np.int64)
        if leaves is not None and name.endswith("nodeids"):
            step = np.where(leaves == 1, len(booster.leaves), count)
        made[name] = np.concatenate([array + k * step for k in range(width)]).tolist()
    made["tree_roots"] = (number_of_root[:, None] + count * np.arange(width)).ravel().tolist()
    splits = np.append(nodes.values[inner], spare).astype(np.float32)
    modes = np.where(tests == MEMBER, IN, LESS).astype(np.uint8)
    targets = booster.targets[trees[leaf]]
    every = [targets if width == 1 else np.full(len(targets), k) for k in range(width)]
    made["leaf_targetids"] = np.concatenate(every).tolist()
    tensors = {
        "nodes_splits": np.tile(splits, width),
        "nodes_modes": np.tile(modes, width),
        "leaf_weights": booster.leaves.T.reshape(-1).astype(np.float32),
    }
    if nodes.members:
        sets = [[*nodes.members[int(n)], np.nan] for n in inner[nodes.tests[inner] == MEMBER]]
        tensors["membership_values"] = np.tile(np.concatenate(sets).astype(np.float32), width)
    return made | {
        n: numpy_helper.from_array(np.ascontiguousarray(a), n) for n, a in tensors.items()
    }


def _none() -> Made:
    return [_node("Identity", [MARGIN], OUTPUT)]


def _hinge() -> Made:
    zero = _constant("zero", np.zeros((), np.float32))
    above = _node("Greater", [MARGIN, "zero"], "above")
    return [zero, above, _node("Cast", ["above"], OUTPUT, to=TensorProto.FLOAT)]


def _argmax() -> Made:
    best = _node("ArgMax", [MARGIN], "best", axis=1, keepdims=1)
    return [best, _node("Cast", ["best"], OUTPUT, to=TensorProto.FLOAT)]


TRANSFORMS: dict[str, Callable[[], Made]] = {
    "none": _none,
    "hinge": _hinge,
    "argmax": _argmax,
    "sigmoid": lambda: [_node("Sigmoid", [MARGIN], OUTPUT)],
    "exp": lambda: [_node("Exp", [MARGIN], OUTPUT)],
    "softmax": lambda: [_node("Softmax", [MARGIN], OUTPUT, axis=1)],
}
