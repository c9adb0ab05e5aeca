"""The standard's own interface, `onnx.backend.base.Backend`, over neoc: what drives a back end of
ONNX can drive artifacts for this machine.

    from onnx.backend.test import BackendTest
    globals().update(BackendTest(NeocBackend, __name__).test_cases)

Shapes are static, so a model is compiled when its first inputs come. An input that decides a shape
is a constant of the artifact; so is one without elements, which has only one value: an empty
tensor or sequence, or an optional value that is none.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.backend.base import Backend, BackendRep

import frontends
import targets
from compiler import abi, build, codegen, pipeline, plan, plan_source
from compiler.lowered import Kernel, Lowered
from frontends.model import Model, ModelError, Signature, cut
from frontends.onnx import members
from targets import Profile

Array = np.ndarray
Arrays = Mapping[str, Array]
TENSORS = (np.ndarray, np.generic)
FEW = 16  # kernels
DECIDES = "must be a constant"  # how the importer says that it needs to know a value


class NeocBackend(Backend):
    """Running raises ModelError for what neoc refuses."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> Prepared:
        return Prepared(model)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Sequence[Array],
        device: str = "CPU",
        outputs_info: Any = None,
        **kwargs: Any,
    ) -> tuple[Array, ...]:
        """outputs_info is not needed: the importer infers it."""
        given = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in zip(filter(None, node.input), inputs, strict=True)
        ]
        made = [onnx.ValueInfoProto(name=n) for n in node.output if n]
        version = kwargs.get("opset_version", onnx.defs.onnx_opset_version())
        model = helper.make_model(
            helper.make_graph([node], "node", given, made),
            opset_imports=[helper.make_opsetid(node.domain, version)],
        )
        return cls.prepare(model, device).run(inputs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device == "CPU"


@dataclass(frozen=True)
class Loaded:
    """An artifact, the shapes that it is for, and the inputs that are constants of it."""

    session: abi.Session
    shapes: Mapping[str, tuple[int, ...]]
    constants: Arrays

    def fits(self, feed: Arrays) -> bool:
        same = all(np.array_equal(feed[n], v) for n, v in self.constants.items())
        return same and {n: v.shape for n, v in feed.items()} == self.shapes


class Prepared(BackendRep):
    """A model, with the artifact for the inputs that it was given last."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        stored = {t.name for t in model.graph.initializer}
        self._names = [i.name for i in model.graph.input if i.name not in stored]
        self._loaded: Loaded | None = None

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """inputs: by name, or in the order of the graph's inputs. What is no tensor is left out,
        and the importer says what it thinks of it."""
        if not isinstance(inputs, Mapping):
            inputs = dict(zip(self._names, inputs, strict=False))
        feed = {n: np.asarray(v) for n, v in _tensors(inputs) if isinstance(v, TENSORS)}
        if self._loaded is None or not self._loaded.fits(feed):
            self._loaded = load(self._model, feed)
        session, constants = self._loaded.session, self._loaded.constants
        answers = cut(session.run({n: v for n, v in feed.items() if n not in constants}))
        return tuple(
            answers[o.name] if o.name in answers else [answers[n] for n in members(o.name, answers)]
            for o in self._model.graph.output
        )

    @property
    def folded(self) -> bool:
        """Whether nothing was left to compute: every input was a constant."""
        loaded = self._loaded
        return loaded is not None and bool(loaded.constants) and not loaded.session.inputs


def _tensors(inputs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The tensors of a sequence under names of their own, as the importer has them."""
    for name, value in inputs.items():
        if isinstance(value, list):
            yield from ((f"{name}.{n}", v) for n, v in enumerate(value))
        else:
            yield name, value


def load(proto: onnx.ModelProto, feed: Arrays) -> Loaded:
    """Compiled for these inputs, and loaded. Raises ModelError."""
    with tempfile.TemporaryDirectory(prefix="neoc-backend-") as name:
        constants = compiled(proto, feed, Path(name))
        session = abi.Session(Path(name))
    return Loaded(session, {n: v.shape for n, v in feed.items()}, constants)


def compiled(proto: onnx.ModelProto, feed: Arrays, folder: Path) -> Arrays:
    """The line of compiler/driver.py without tuning and comparison with a framework, for many small
    models. Returns the inputs that are constants of the artifact in `folder`.
    """
    model, constants = imported(proto, feed, folder)
    profile = targets.get("host")
    lowered = pipeline.schedule(pipeline.lower(model.module, profile), profile)
    # Few kernels are compiled here and now, which takes less than to look for them.
    few = len(lowered.kernels) <= FEW
    make = compile_together if few else codegen.compile_kernels
    link(make(lowered.kernels, profile, folder), lowered, model.signature, profile, folder)
    return constants


def compile_together(kernels: Mapping[str, Kernel], profile: Profile, folder: Path) -> list[Path]:
    """All kernels in one object file, past the cache."""
    distinct = {kernel.symbol: kernel for kernel in kernels.values()}
    made = [folder / "kernels.o"] if distinct else []
    for path in made:
        codegen.build(distinct, profile).write_to_file(str(path))
    return made


def link(
    objects: Sequence[Path], lowered: Lowered, signature: Signature, profile: Profile, folder: Path
) -> None:
    """The artifact, in `folder`."""
    program = plan.make(lowered, folder)
    text = plan_source.source(program, signature, profile)
    build.link_model(objects, text, program.constants, profile.zig, folder)
    shutil.copyfile(_runtime(profile.zig), folder / "libdlr.so")


def imported(proto: onnx.ModelProto, feed: Arrays, folder: Path) -> tuple[Model, Arrays]:
    """The model with as few constants among its inputs as the importer needs."""
    own = {i.name for i in proto.graph.input}  # no tensors of sequences
    for names in choices({n: v for n, v in feed.items() if n in own}):
        constants = {n: feed[n] for n in names}
        try:
            return _import(proto, feed, constants, folder), constants
        except ModelError as error:
            refusal = error
            if DECIDES not in str(error):
                break
    raise refusal


def choices(feed: Arrays) -> Iterator[tuple[str, ...]]:
    """Sets of inputs that may be constants, small ones first."""
    empty = [n for n, v in feed.items() if v.size == 0]
    rest = [n for n in feed if n not in empty]
    for count in range(len(rest) + 1):
        for names in combinations(reversed(rest), count):
            yield (*empty, *names)


def _import(proto: onnx.ModelProto, feed: Arrays, constants: Arrays, folder: Path) -> Model:
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    copy.graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in constants.items())
    _make_empty(copy.graph, feed)
    path = folder / "model.onnx"
    path.write_bytes(copy.SerializeToString())
    shapes = {n: v.shape for n, v in feed.items() if n not in constants}
    return frontends.load("ONNX", path, json.dumps(shapes) if shapes else None)


def _make_empty(graph: onnx.GraphProto, feed: Arrays) -> None:
    """Sequences and optional values of which nothing is given are made by nodes instead."""
    known = {*feed, *(t.name for t in graph.initializer)}
    for value in list(graph.input):
        kind = value.type.WhichOneof("value")
        if value.name in known or any(members(value.name, known)):
            continue
        if kind == "sequence_type":
            element = value.type.sequence_type.elem_type.tensor_type.elem_type
            node = helper.make_node("SequenceEmpty", [], [value.name], dtype=element)
        elif kind == "optional_type":
            held = value.type.optional_type.elem_type
            node = helper.make_node("Optional", [], [value.name], type=held)
        else:
            raise ModelError(f"input '{value.name}' is a tensor, and none is given")
        graph.node.insert(0, node)
        graph.input.remove(value)


@functools.cache
def _runtime(zig: str) -> Path:
    """libdlr.so, the same for every model."""
    folder = Path(tempfile.mkdtemp(prefix="neoc-backend-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build.link_runtime(zig, folder)
