"""TfIdfVectorizer: how often each of a list of n-grams stands in a row of numbers."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, affordable, rank, shape

MODES = ("TF", "IDF", "TFIDF")
Gram = tuple[int, ...]


def vectorizer(
    b: Builder,
    x: Value,
    *,
    max_gram_length: int,
    max_skip_count: int,
    min_gram_length: int,
    mode: str,
    ngram_counts: Sequence[int],
    ngram_indexes: Sequence[int],
    pool_int64s: Sequence[int] = (),
    pool_strings: Sequence[str] = (),
    weights: Sequence[float] = (),
) -> Value:
    """x [C] or [N, C] -> [columns] or [N, columns] as float32. weights: one an n-gram."""
    if pool_strings or not pool_int64s:
        raise ModelError("its n-grams are of text; only numbers compile. Encode words before")
    if mode not in MODES:
        raise ModelError(f"attribute mode is '{mode}'; known are {', '.join(MODES)}")
    found = _grams(pool_int64s, ngram_counts)
    if len(found) > min(len(ngram_indexes), len(weights or ngram_indexes)):
        raise ModelError(f"{len(found)} n-grams have no index or weight each")
    if mode == "IDF" and len(set(ngram_indexes)) < len(ngram_indexes):
        raise ModelError("with mode 'IDF' each n-gram must have an index of its own")
    rows = b.reshape(x, (1, *shape(x))) if rank(x) == 1 else x
    groups: dict[int, dict[Gram, int]] = {}
    for number, gram in enumerate(found):  # of equals the last counts
        if min_gram_length <= len(gram) <= max_gram_length:
            groups.setdefault(len(gram), {})[gram] = number
    parts = [_counts(b, rows, list(grams), max_skip_count) for grams in groups.values()]
    order = [number for grams in groups.values() for number in grams.values()]
    y = b.concat([*parts, np.zeros((shape(rows)[0], 1), np.float32)], 1)
    if mode == "IDF":
        y = b.cast(b(R.greater, y, 0.0), "float32")
    if mode != "TF" and weights:
        y = b(R.multiply, y, np.append(np.asarray(weights, np.float32)[order], np.float32(0)))
    y = _placed(b, y, [ngram_indexes[n] for n in order], max(ngram_indexes) + 1)
    return b.reshape(y, shape(y)[1:]) if rank(x) == 1 else y


def _grams(pool: Sequence[int], starts: Sequence[int]) -> list[Gram]:
    """The pool holds first the 1-grams, then the 2-grams, and so on."""
    found: list[Gram] = []
    for length, (start, end) in enumerate(zip(starts, [*starts[1:], len(pool)], strict=True), 1):
        found += [tuple(pool[n : n + length]) for n in range(start, end - length + 1, length)]
    return found


def _counts(b: Builder, x: Value, grams: Sequence[Gram], skips: int) -> Value:
    """x [N, C] -> [N, grams]: at every place and with every distance of neighbours."""
    (count, width), length = shape(x), len(grams[0])
    places = [
        np.arange(start, start + length * step, step)
        for step in range(1, (skips if length > 1 else 0) + 2)
        for start in range(width - (length - 1) * step)
    ]
    if not places:
        return np.zeros((count, len(grams)), np.float32)
    affordable(float(count) * len(places) * len(grams), 4)
    table = np.asarray(grams, np.int64)
    parts = [b.take(x, np.asarray(places)[:, n], 1) for n in range(length)]
    same = [
        b(R.equal, b.cast(b.reshape(p, (count, len(places), 1)), "int64"), table[:, n])
        for n, p in enumerate(parts)
    ]
    whole = reduce(lambda one, other: b(R.logical_and, one, other), same)
    return b(R.sum, b.cast(whole, "float32"), axis=[1])


def _placed(b: Builder, counts: Value, order: Sequence[int], columns: int) -> Value:
    """counts [N, grams + 1], the last of them zero -> [N, columns]. order: the column of each;
    several of one are summed.
    """
    layers = [np.full(columns, len(order))]
    for number, column in enumerate(order):
        free = next((row for row in layers if row[column] == len(order)), None)
        if free is None:
            layers.append(free := np.full(columns, len(order)))
        free[column] = number
    return reduce(lambda one, other: b(R.add, one, other), [b.take(counts, n, 1) for n in layers])


OPS: Table = {"TfIdfVectorizer": vectorizer}
