"""The built library against the answers of the model's own framework, on several seeded inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx.reference
import onnxruntime

from compiler import abi
from compiler.errors import ServerError
from frontends.model import Model, Signature, Tensor, cut
from frontends.onnx import members

RUNS = 3
BOUND = 1e-3  # of an output's largest absolute value
# What the framework itself is off by, whatever the scale: ONNX Runtime's sigmoid, for one, is half
# of 1 + tanh, and rounds 7e-5 to a multiple of 1.2e-7.
NOISE = 4 * float(np.finfo(np.float32).eps)
INTEGERS = (256, 2)  # ranges tried for integer inputs, which may be positions in some table

Array = np.ndarray
Arrays = Mapping[str, Array]


class Differs(ServerError):
    """An output is not the framework's."""


@dataclass(frozen=True)
class Answers:
    """What the framework gave: the inputs and the outputs of every run. oracle: its name."""

    oracle: str
    runs: Sequence[tuple[Arrays, Arrays]]


def ask(model: Model) -> Future[Answers]:
    """The framework's answers, computed in a thread of its own: nothing else needs them yet."""
    thread = ThreadPoolExecutor(1)
    answers = thread.submit(_answers, model)
    thread.shutdown(wait=False)
    return answers


def check(folder: Path, signature: Signature, asked: Future[Answers]) -> dict[str, Any]:
    """Runs the model in `folder` in a fresh process. Returns the largest errors of each output.

    Raises ServerError naming the first output that differs by more than the bound.
    """
    answers = asked.result()
    outputs = abi.run_apart(folder, [inputs for inputs, _ in answers.runs])
    runs = [(got, expected) for got, (_, expected) in zip(outputs, answers.runs, strict=True)]
    return report(answers.oracle, [tensor.name for tensor in signature.own], runs)


def report(
    oracle: str, names: Iterable[str], runs: Sequence[tuple[Arrays, Arrays]]
) -> dict[str, Any]:
    """The largest errors of the outputs `names` in pairs of what came out and what should have."""
    errors = {name: {"max_abs": 0.0, "relative": 0.0} for name in names}
    scales = {name: max(_scale(expected[name]) for _, expected in runs) for name in errors}
    for got, expected in runs:
        own = cut(got)
        for name in errors:
            error = compare(name, own[name], expected[name], scales[name])
            errors[name] = {key: max(errors[name][key], error[key]) for key in error}
    return {
        "oracle": oracle,
        "runs": len(runs),
        "bound": BOUND,
        "relative": max((e["relative"] for e in errors.values()), default=0.0),
        "outputs": errors,
    }


def compare(name: str, got: Array, expected: Array, scale: float | None = None) -> dict[str, float]:
    """Absolute error, and relative to the output's scale: its largest value, or what is known of
    it from other runs. Integers and booleans must be equal.
    """
    if expected.dtype.kind == "V":  # a narrow type: numbers like others once they are float32
        got = got.view(expected.dtype) if got.dtype.kind == "V" else got
    if got.shape != expected.shape or got.dtype != expected.dtype:
        raise ServerError(
            f"Verification: output '{name}' is {got.dtype}{list(got.shape)}, "
            f"the framework's {expected.dtype}{list(expected.shape)}."
        )
    if expected.size == 0:
        return {"max_abs": 0.0, "relative": 0.0}
    bound = BOUND
    if expected.dtype.kind == "V":
        bound = max(BOUND, _step(expected.dtype))
        got, expected = got.astype("float32"), expected.astype("float32")
    if not np.issubdtype(expected.dtype, np.floating):
        wrong = int(np.count_nonzero(got != expected))
        if wrong:
            raise Differs(
                f"Verification: {wrong} of {expected.size} values of output '{name}' differ from "
                "the framework's."
            )
        return {"max_abs": 0.0, "relative": 0.0}
    finite = np.isfinite(expected)
    same = np.array_equal(got[~finite], expected[~finite], equal_nan=True) and bool(
        np.isfinite(got[finite]).all()
    )
    difference = (
        np.abs(got[finite].astype("float64") - expected[finite]) if same else np.array([np.inf])
    )
    scale = _scale(expected) if scale is None else scale
    largest = float(difference.max(initial=0.0))
    relative = largest / scale if scale else largest
    if largest > max(bound * scale, NOISE):
        raise Differs(
            f"Verification: output '{name}' differs from the framework's by {largest:.3g}, "
            f"{relative:.2g} of its largest value {scale:.3g}; the bound is {bound:g}. "
            "Nothing was uploaded."
        )
    return {"max_abs": largest, "relative": relative}


def _step(dtype: np.dtype[Any]) -> float:
    """Two steps between numbers of a narrow type, as a share of them: it may round the other way
    at each of two operators.
    """
    try:
        return 2 * float(ml_dtypes.finfo(dtype).eps)  # type: ignore[no-untyped-call]
    except ValueError:
        return 0.0  # an integer


def _scale(array: Array) -> float:
    """The largest finite absolute value; 0 for what is compared exactly."""
    if array.dtype.kind == "V":
        array = array.astype("float32")
    if not np.issubdtype(array.dtype, np.floating):
        return 0.0
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


Reference = Callable[[Arrays], list[Array]]


def _oracle(model: Model) -> tuple[str, Reference]:
    """ONNX Runtime, or the standard's own evaluator where that cannot load the model, or take its
    tensors.
    """
    path = model.oracle
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    tensors = (*model.signature.inputs, *model.signature.outputs)
    try:
        if any(np.dtype(t.dtype).kind == "V" for t in tensors):
            raise ValueError("its Python interface has no narrow types")
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception:  # its exceptions have no common class; what it cannot load the evaluator may
        evaluator = onnx.reference.ReferenceEvaluator(onnx.load(path))
        return f"onnx reference {onnx.__version__}", lambda inputs: _flat(
            evaluator.run(None, grouped(evaluator.input_names, inputs))
        )
    names = [i.name for i in session.get_inputs()]
    return f"onnxruntime {onnxruntime.__version__}", lambda inputs: _flat(
        session.run(None, grouped(names, inputs))
    )


def grouped(names: Iterable[str], inputs: Arrays) -> dict[str, Array | list[Array]]:
    """The tensors of a sequence as the one input that they are to the framework."""
    sequences = {n: [inputs[m] for m in members(n, inputs)] for n in names if n not in inputs}
    return {
        **{n: inputs[n] for n in names if n in inputs},
        **{n: s for n, s in sequences.items() if s},
    }


def _flat(outputs: Iterable[Any]) -> list[Array]:
    """All tensors, those of sequences too."""
    return [t for o in outputs for t in (o if isinstance(o, list) else [o])]


def _answers(model: Model) -> Answers:
    oracle, reference = _oracle(model)
    return Answers(oracle, [_answer(reference, model, seed) for seed in range(RUNS)])


def _answer(reference: Reference, model: Model, seed: int) -> tuple[Arrays, Arrays]:
    """Inputs that the framework accepts, and its outputs."""
    names = [t.name for t in model.signature.own]
    for limit in INTEGERS:
        inputs = {t.name: sample(t, seed, limit) for t in model.signature.inputs}
        try:
            outputs = reference({**inputs, **model.constants})
            return inputs, dict(zip(names, map(np.asarray, outputs), strict=True))
        except Exception as error:  # an index out of some table's range, if the next one works
            failure = error
    raise ServerError(
        f"Verification: the framework itself could not run the model: {failure}"
    ) from failure


def sample(tensor: Tensor, seed: int, limit: int) -> Array:
    """Random values of a tensor's type: integers below the limit; floats of the standard normal
    distribution, or, at odd seeds, from 0 to 1 as images have them.
    """
    name_seed = [seed, *tensor.name.encode()]
    random = np.random.default_rng(name_seed)
    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f" and seed % 2:
        return random.random(tensor.shape).astype(dtype)
    if dtype.kind in "fV":
        return random.standard_normal(tensor.shape).astype(dtype)
    if dtype.kind == "b":
        return random.integers(0, 2, tensor.shape).astype(bool)
    return random.integers(0, min(limit, np.iinfo(dtype).max), tensor.shape).astype(dtype)
