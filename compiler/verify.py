"""The built library against the answers of the model's own framework, on several seeded inputs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx.reference
import onnxruntime

from compiler import abi
from compiler.errors import ServerError
from frontends.model import BLOCKS, Model, Reference, Signature, Tensor, cut
from frontends.onnx import members

RUNS = 3
LIMIT_S = 600.0  # for all runs: a loop whose end depends on its data may have none for random ones
BOUND = 1e-3  # of an output's largest absolute value
# What the framework itself is off by, whatever the scale: ONNX Runtime's sigmoid, for one, is half
# of 1 + tanh, and rounds 7e-5 to a multiple of 1.2e-7.
NOISE = 4 * float(np.finfo(np.float32).eps)
MOVED = 1e-5  # of an input's scale: how far inputs are moved where the framework is asked again
SWAY = 4  # times what an output changes then, a part of it may be off
PART = 16  # values that have a scale
ROWS = (1, sum(BLOCKS) + 1, 2)  # of each run, where their number is free
INTEGERS = (256, 2)  # ranges tried for integer inputs, which may be positions in some table

Array = np.ndarray
Arrays = Mapping[str, Array]


class Differs(ServerError):
    """An output is not the framework's."""


@dataclass(frozen=True)
class Answers:
    """What the framework gave: the inputs and the outputs of every run. oracle: its name; again:
    its outputs for other inputs.
    """

    oracle: str
    runs: Sequence[tuple[Arrays, Arrays]]
    again: Callable[[Arrays], Arrays]


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
    try:
        answers = asked.result(LIMIT_S)
    except TimeoutError as error:
        raise ServerError(
            f"Verification: the framework itself did not end {RUNS} runs on random inputs within "
            f"{LIMIT_S:g} s. hint: give the model's loops a number of iterations to end at"
        ) from error
    outputs = abi.run_apart(folder, [inputs for inputs, _ in answers.runs], LIMIT_S)
    runs = [(got, expected) for got, (_, expected) in zip(outputs, answers.runs, strict=True)]
    names = [tensor.name for tensor in signature.own]

    @functools.cache
    def nearby(run: int) -> list[Arrays]:
        inputs, _ = answers.runs[run]
        return [answers.again(moved) for moved in _moved(inputs)]

    return report(answers.oracle, names, runs, nearby)


def report(
    oracle: str,
    names: Iterable[str],
    runs: Sequence[tuple[Arrays, Arrays]],
    nearby: Callable[[int], Sequence[Arrays]] = lambda _: (),
) -> dict[str, Any]:
    """The largest errors of the outputs `names` in pairs of what came out and what should have.
    nearby: what should have for inputs close to those of a run.
    """
    errors = {name: {"max_abs": 0.0, "relative": 0.0} for name in names}
    scales = {name: max(_scale(expected[name]) for _, expected in runs) for name in errors}
    for run, (got, expected) in enumerate(runs):
        own = cut(got)
        for name in errors:
            near = functools.partial(_others, nearby, run, name)
            error = compare(name, own[name], expected[name], scales[name], near)
            errors[name] = {key: max(errors[name][key], error[key]) for key in error}
    return {
        "oracle": oracle,
        "runs": len(runs),
        "bound": BOUND,
        "relative": max((e["relative"] for e in errors.values()), default=0.0),
        "outputs": errors,
        "unmoved": [name for name in errors if _unmoved([e[name] for _, e in runs])],
    }


def warnings(parity: Mapping[str, Any]) -> list[str]:
    """What passed and yet tells little."""
    return [
        f"Verification: output '{name}' is the same for all {parity['runs']} random inputs. "
        "Compare it yourself on inputs that change it."
        for name in parity["unmoved"]
    ]


def _unmoved(answers: Sequence[Array]) -> bool:
    if answers[0].ndim:  # runs may be of several numbers of rows
        fewest = min(len(a) for a in answers)
        answers = [a[:fewest] for a in answers]
    first = answers[0]
    if first.dtype.kind == "V":
        return all(a.tobytes() == first.tobytes() for a in answers)
    numbers = first.dtype.kind == "f"
    return all(np.array_equal(a, first, equal_nan=numbers) for a in answers[1:])


def _others(nearby: Callable[[int], Sequence[Arrays]], run: int, name: str) -> list[Array]:
    return [answers[name] for answers in nearby(run)]


def compare(
    name: str,
    got: Array,
    expected: Array,
    scale: float | None = None,
    near: Callable[[], Sequence[Array]] = tuple,
) -> dict[str, float]:
    """Absolute error, and relative to the output's scale: its largest value, or what is known of
    it from other runs. Integers and booleans must be equal. near: what is expected for inputs close
    to these; as many integers as differ there may differ here, as positions of a largest value do.
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
        _equal(name, got, expected, near)
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
    if expected.dtype.itemsize >= 4:
        _parts(name, got, expected, near)
    return {"max_abs": largest, "relative": relative}


def _equal(name: str, got: Array, expected: Array, near: Callable[[], Sequence[Array]]) -> None:
    wrong = np.argwhere(got != expected)
    if not len(wrong):
        return
    like = [other for other in near() if other.shape == expected.shape]
    may = max((int(np.count_nonzero(other != expected)) for other in like), default=0)
    if len(wrong) > may:
        first = tuple(int(n) for n in wrong[0])
        raise Differs(
            f"Verification: {len(wrong)} of {expected.size} values of output '{name}' differ from "
            f"the framework's, the first at {list(first)}: {got[first]}, the framework's "
            f"{expected[first]}. Inputs moved by {MOVED:g} of their scale change {may} of its own. "
            "Nothing was uploaded."
        )


def _parts(name: str, got: Array, expected: Array, near: Callable[[], Sequence[Array]]) -> None:
    """Every index of every axis by its own scale: one huge value, or boxes of pixels beside
    probabilities, hide what is wrong elsewhere. What cancels is off by more of its scale; it also
    changes by more when the inputs move.
    """

    def largest(values: Array, axis: int) -> Array:
        rest = tuple(a for a in range(values.ndim) if a != axis)
        found: Array = np.abs(np.where(np.isfinite(values), values, 0)).max(axis=rest)
        return found

    difference = np.subtract(got, expected, where=np.isfinite(expected), out=np.zeros(got.shape))
    for axis, length in enumerate(expected.shape):
        if expected.size < PART * length:
            continue
        off, scale = largest(difference, axis), largest(expected, axis)
        wrong = off > np.maximum(BOUND * scale, NOISE)
        if not wrong.any():
            continue
        like = [other for other in near() if other.shape == expected.shape]
        changes = [largest(other - expected, axis) for other in like]
        if changes and (wrong := wrong & (off > SWAY * np.max(changes, axis=0))).any():
            index = int(np.argmax(wrong * off / np.maximum(scale, NOISE)))
            raise Differs(
                f"Verification: output '{name}' differs from the framework's by {off[index]:.3g} "
                f"at index {index} of axis {axis}, whose largest value is {scale[index]:.3g}; the "
                f"bound is {BOUND:g} of that. Nothing was uploaded."
            )


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


def _oracle(model: Model) -> Reference:
    """The model's own framework; else ONNX Runtime, or the standard's own evaluator where that
    cannot load the model, or take its tensors.
    """
    if model.reference:
        return model.reference
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
        return Reference(
            f"onnx reference {onnx.__version__}",
            lambda runs: [
                _flat(evaluator.run(None, grouped(evaluator.input_names, inputs)))
                for inputs in runs
            ],
        )
    names = [i.name for i in session.get_inputs()]
    return Reference(
        f"onnxruntime {onnxruntime.__version__}",
        lambda runs: [_flat(session.run(None, grouped(names, inputs))) for inputs in runs],
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
    reference = _oracle(model)
    names = [t.name for t in model.signature.own]

    def outputs(runs: Sequence[Arrays]) -> list[Arrays]:
        made = reference.answers([{**inputs, **model.constants} for inputs in runs])
        return [dict(zip(names, map(np.asarray, m), strict=True)) for m in made]

    return Answers(reference.name, _runs(outputs, model), lambda inputs: outputs([inputs])[0])


def _runs(
    outputs: Callable[[Sequence[Arrays]], list[Arrays]], model: Model
) -> list[tuple[Arrays, Arrays]]:
    """Inputs that the framework accepts, and its outputs."""
    for limit in INTEGERS:
        runs: list[Arrays] = [
            {t.name: sample(t, seed, limit, model.examples) for t in model.signature.inputs}
            for seed in range(RUNS)
        ]
        try:
            return list(zip(runs, outputs(runs), strict=True))
        except Exception as error:  # an index out of some table's range, if the next one works
            failure = error
    raise ServerError(
        f"Verification: the framework itself could not run the model: {failure}"
    ) from failure


def sample(tensor: Tensor, seed: int, limit: int, examples: Arrays = MappingProxyType({})) -> Array:
    """Some of the examples, or random values of a tensor's type: integers below the limit; floats
    of the standard normal distribution, or, at odd seeds, from 0 to 1 as images have them. Of any
    number of rows one, then blocks of all sizes and what they leave, then two.
    """
    tensor = replace(tensor, shape=tuple(ROWS[seed] if d < 0 else d for d in tensor.shape))
    name_seed = [seed, *tensor.name.encode()]
    random = np.random.default_rng(name_seed)
    if tensor.name in examples:
        return random.choice(examples[tensor.name], tensor.shape[0])
    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f" and seed % 2:
        return random.random(tensor.shape).astype(dtype)
    if dtype.kind in "fV":
        return random.standard_normal(tensor.shape).astype(dtype)
    if dtype.kind == "b":
        return random.integers(0, 2, tensor.shape).astype(bool)
    info = np.iinfo(dtype)
    if dtype.itemsize == 1 and limit > info.max:  # a picture, and no position
        return random.integers(info.min, info.max, tensor.shape, dtype, endpoint=True)
    return random.integers(0, min(limit, info.max), tensor.shape).astype(dtype)


def _moved(inputs: Arrays) -> list[Arrays]:
    """Inputs close to these; none where nothing can be moved."""
    floats = {n: a for n, a in inputs.items() if a.dtype.kind == "f" and a.size}
    random = np.random.default_rng(0)

    def moved(array: Array) -> Array:
        by = MOVED * np.abs(array).max() * random.standard_normal(array.shape)
        result: Array = (array + by).astype(array.dtype)
        return result

    return [{**inputs, **{n: moved(a) for n, a in floats.items()}} for _ in range(2) if floats]
