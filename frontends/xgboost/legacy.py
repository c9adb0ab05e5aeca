"""XGBoost's binary files of before 3.1, as the document that newer ones hold as JSON."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from frontends.model import ModelError

# Parameters in bytes, with what is reserved in them.
LEARNER, MODEL, TREE, LINEAR = 136, 160, 148, 136
NODE = np.dtype(
    [("parent", "<i4"), ("left", "<i4"), ("right", "<i4"), ("split", "<u4"), ("value", "<f4")]
)
STATISTICS = 16  # bytes of a node
DEFAULT_LEFT = 1 << 31


def parse(data: bytes) -> dict[str, Any]:
    """Raises ModelError for what is no such file."""
    try:
        return _Reader(data).document()
    except (struct.error, ValueError) as problem:
        raise ModelError(f"The file is no XGBoost model: {problem}") from None


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 4 if data.startswith(b"binf") else 0

    def document(self) -> dict[str, Any]:
        head = self._take(LEARNER)
        base, features, classes, attributes, _, major, minor, targets = struct.unpack_from(
            "<fIiiiIII", head
        )
        objective, booster = self._text(), self._text()
        if booster not in ("gbtree", "dart", "gblinear"):
            raise ValueError(f"{booster[:20]!r} is no booster")
        model = self._linear() if booster == "gblinear" else self._trees(booster == "dart")
        named = {}
        if attributes:
            named = {self._text(): self._text() for _ in range(self._count(16))}
        parameters = {
            "base_score": base,
            "num_feature": features,
            "num_class": classes,
            "num_target": targets,
        }
        learner = {
            "learner_model_param": parameters,
            "objective": {"name": objective},
            "gradient_booster": {"name": booster, **model},
            "attributes": named,
        }
        return {"learner": learner, "version": [major, minor, 0]}

    def _take(self, count: int) -> bytes:
        if count < 0 or count > len(self.data) - self.at:
            raise ValueError("it ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def _count(self, itemsize: int) -> int:
        """Of items that follow."""
        (count,) = struct.unpack("<Q", self._take(8))
        if count * itemsize > len(self.data) - self.at:
            raise ValueError("it ends too early")
        return int(count)

    def _text(self) -> str:
        return self._take(self._count(1)).decode(errors="replace")

    def _floats(self) -> np.ndarray:
        return np.frombuffer(self._take(4 * self._count(4)), "<f4")

    def _linear(self) -> dict[str, Any]:
        self._take(LINEAR)
        return {"model": {"weights": self._floats()}}

    def _trees(self, dart: bool) -> dict[str, Any]:
        (count,) = struct.unpack_from("<i", self._take(MODEL))
        if count < 0 or count * TREE > len(self.data):
            raise ValueError("it ends too early")
        trees = [self._tree() for _ in range(count)]
        model = {"trees": trees, "tree_info": np.frombuffer(self._take(4 * count), "<i4")}
        if not dart:
            return {"model": model}
        return {"gbtree": {"model": model}, "weight_drop": self._floats() if count else []}

    def _tree(self) -> dict[str, Any]:
        _, count, _, _, _, leaf_size = struct.unpack_from("<6i", self._take(TREE))
        nodes = np.frombuffer(self._take(NODE.itemsize * count), NODE)
        self._take(STATISTICS * count)
        if leaf_size > 1:
            raise ValueError("its leaves are vectors")
        return {
            "left_children": nodes["left"],
            "right_children": nodes["right"],
            "split_indices": (nodes["split"] & (DEFAULT_LEFT - 1)).astype(np.int64),
            "default_left": nodes["split"] >= DEFAULT_LEFT,
            "split_conditions": nodes["value"],
        }
