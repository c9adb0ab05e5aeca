"""Einsum as what it is made of: sums, transposes, and one batched product for each pair."""

import math
from collections.abc import Sequence

import numpy as np

from frontends.model import ModelError
from frontends.onnx.builder import Builder, R, Table, Value, rank, shape


def einsum(b: Builder, *inputs: Value, equation: str) -> Value:
    """Operands are taken left to right; a letter that nothing further needs is summed away."""
    terms, result = parse(equation, [rank(x) for x in inputs])
    pairs = [_diagonal(b, x, term) for x, term in zip(inputs, terms, strict=True)]
    inputs, terms = tuple(x for x, _ in pairs), [term for _, term in pairs]
    value, letters = inputs[0], terms[0]
    value, letters = _summed(b, value, letters, _needed(terms[1:], result))
    for i in range(1, len(inputs)):
        needed = _needed(terms[i + 1 :], result)
        other, term = _summed(b, inputs[i], terms[i], needed | set(letters))
        value, letters = _summed(b, value, letters, needed | set(term))
        value, letters = _product(b, value, letters, other, term, needed)
    return b.transpose(value, [letters.index(c) for c in result])


def parse(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The operands' letters and the result's; an ellipsis becomes digits, right-aligned."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    words = left.split(",")
    if len(words) != len(ranks):
        raise ModelError(f"attribute equation '{equation}' has {len(words)} terms")
    widest = 0
    for word, ndim in zip(words, ranks, strict=True):
        if "..." in word:
            widest = max(widest, ndim - len(word) + 3)
    digits = "0123456789"[:widest][::-1]
    terms = []
    for word, ndim in zip(words, ranks, strict=True):
        spread = ndim - len(word) + 3
        term = word.replace("...", digits[widest - spread :] if spread else "")
        if len(term) != ndim:
            raise ModelError(f"attribute equation '{equation}': '{word}' is not implemented")
        terms.append(term)
    if not arrow:
        once = sorted(c for c in set(left) - set(",.") if left.count(c) == 1)
        return terms, digits + "".join(once)
    return terms, right.replace("...", digits)


def _diagonal(b: Builder, x: Value, letters: str) -> tuple[Value, str]:
    """Axes with one letter become one: the elements at which their indices are equal."""
    for c in sorted(set(letters)):
        while letters.count(c) > 1:
            first = letters.index(c)
            second = letters.index(c, first + 1)
            length = shape(x)[first]
            if shape(x)[second] != length:
                raise ModelError(f"axes '{c}' of {shape(x)} have different lengths")
            rest = [a for a in range(rank(x)) if a not in (first, second)]
            x = b.transpose(x, [*rest, first, second])
            flat = b.reshape(x, (*shape(x)[:-2], length * length))
            x = b.take(flat, np.arange(length) * (length + 1), len(rest))
            letters = "".join(letters[a] for a in rest) + c
    return x, letters


def _needed(terms: Sequence[str], result: str) -> set[str]:
    return set(result).union(*terms)


def _summed(b: Builder, x: Value, letters: str, needed: set[str]) -> tuple[Value, str]:
    gone = [i for i, c in enumerate(letters) if c not in needed]
    if not gone:
        return x, letters
    return b(R.sum, x, axis=gone), "".join(c for c in letters if c in needed)


def _product(
    b: Builder, x: Value, left: str, y: Value, right: str, needed: set[str]
) -> tuple[Value, str]:
    """batch: in both and kept; inner: in both and summed; the rest are rows and columns."""
    batch = [c for c in left if c in right and c in needed]
    inner = [c for c in left if c in right and c not in needed]
    rows = [c for c in left if c not in right]
    columns = [c for c in right if c not in left]
    sizes = dict(zip(left, shape(x), strict=True))
    for c, size in zip(right, shape(y), strict=True):
        sizes[c] = max(size, sizes.get(c, 1))
    x = _grouped(b, x, left, [batch, rows, inner], sizes)
    y = _grouped(b, y, right, [batch, inner, columns], sizes)
    letters = "".join(batch + rows + columns)
    return b.reshape(b(R.matmul, x, y), [sizes[c] for c in letters]), letters


def _grouped(
    b: Builder, x: Value, letters: str, groups: list[list[str]], sizes: dict[str, int]
) -> Value:
    """Transposed into the groups' order, each group one dimension, the last two always there."""
    order = [c for group in groups for c in group]
    x = b.transpose(x, [letters.index(c) for c in order])
    if shape(x) != (full := tuple(sizes[c] for c in order)):  # a 1 that broadcasts
        x = b(R.broadcast_to, x, shape=full)
    lead = [sizes[c] for c in groups[0]]
    flat = [math.prod(sizes[c] for c in group) for group in groups[1:]]
    return b.reshape(x, lead + flat)


OPS: Table = {"Einsum": einsum}
