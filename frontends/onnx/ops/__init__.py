"""The op table: (domain, op) -> the first opset of each behaviour -> function.

A function's signature is the op's schema: inputs are positional, attributes keyword-only. A version
is listed only where behaviour changed; the highest not above the model's opset is used.
"""

from frontends.onnx.builder import Function, Table
from frontends.onnx.ops import (
    activation,
    classical,
    conv,
    einsum,
    elementwise,
    fold_back,
    fourier,
    generate,
    grams,
    index,
    linear,
    norm,
    optimizer,
    pool,
    quantized,
    ranged,
    recurrent,
    reduce,
    refused,
    resize,
    sample,
    selection,
    sequence,
    structure,
    svm,
    trees,
)


def merge(*tables: Table) -> dict[str, dict[int, Function]]:
    """One table of many; an op defined twice is a mistake of ours."""
    merged: dict[str, dict[int, Function]] = {}
    for table in tables:
        for name, row in table.items():
            if name in merged:
                raise ValueError(f"operator {name} has two rows")
            merged[name] = row if isinstance(row, dict) else {1: row}
    return merged


OPS = {
    "": merge(
        activation.OPS,
        conv.OPS,
        einsum.OPS,
        elementwise.OPS,
        fold_back.OPS,
        generate.OPS,
        grams.OPS,
        index.OPS,
        linear.OPS,
        norm.OPS,
        pool.OPS,
        quantized.OPS,
        ranged.OPS,
        recurrent.OPS,
        reduce.OPS,
        resize.OPS,
        sample.OPS,
        selection.OPS,
        sequence.OPS,
        fourier.OPS,
        structure.OPS,
        refused.OPS[""],
    ),
    "ai.onnx.ml": merge(classical.OPS, svm.OPS, trees.OPS, refused.OPS["ai.onnx.ml"]),
    "com.microsoft": merge(svm.CONTRIBUTED),
    "neoc": merge(trees.OWN),
    "ai.onnx.preview.training": merge(optimizer.OPS, refused.OPS["ai.onnx.preview.training"]),
}


def find(domain: str, op: str, version: int) -> Function | None:
    """The function for an op at an opset; None when it has none."""
    row = OPS.get(domain, {}).get(op, {})
    usable = [v for v in row if v <= version]
    return row[max(usable)] if usable else None
