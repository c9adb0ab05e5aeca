"""The rivals, a class each: made ready with a model and its inputs, then run without copies.

Their libraries are imported by those who run them: each has a process of its own, and torch an
environment of its own.
"""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Arrays = Mapping[str, np.ndarray]


class Runner(Protocol):
    """title: for people. `load` imports nothing: what it takes is the model's."""

    title: str

    def __init__(self) -> None: ...

    @property
    def version(self) -> str: ...

    def load(self, model: Path, feed: Arrays, threads: int) -> None: ...

    def run(self) -> object: ...

    def answers(self) -> Arrays: ...


class Neoc:
    """An unpacked artifact through its C ABI."""

    title = "neoc"

    def __init__(self) -> None:
        from compiler import abi

        self._abi = abi

    @property
    def version(self) -> str:
        return ""  # the report has the commit

    def load(self, model: Path, feed: Arrays, threads: int) -> None:
        self._session = self._abi.Session(model)
        self._session.set_threads(threads)
        self._session.feed(feed)

    def run(self) -> object:
        self._session.execute()
        return None

    def answers(self) -> Arrays:
        return self._session.results()


class OnnxRuntime:
    """Inputs and outputs bound once, every optimisation on, as its documentation advises."""

    title = "ONNX Runtime"

    def __init__(self) -> None:
        import onnxruntime

        self._library = onnxruntime

    @property
    def version(self) -> str:
        return str(self._library.__version__)

    def load(self, model: Path, feed: Arrays, threads: int) -> None:
        settings = self._library.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        self._session = self._library.InferenceSession(
            model, settings, providers=["CPUExecutionProvider"]
        )
        self._names = [output.name for output in self._session.get_outputs()]
        self._binding = self._session.io_binding()
        for name, array in feed.items():
            self._binding.bind_cpu_input(name, array)
        for name in self._names:
            self._binding.bind_output(name)

    def run(self) -> object:
        return self._session.run_with_iobinding(self._binding)

    def answers(self) -> Arrays:
        return dict(zip(self._names, self._binding.copy_outputs_to_cpu(), strict=True))


class OpenVino:
    """Single precision, for latency; tensors are shared with the caller."""

    title = "OpenVINO"

    def __init__(self) -> None:
        import openvino

        self._library = openvino

    @property
    def version(self) -> str:
        return str(self._library.__version__)

    def load(self, model: Path, feed: Arrays, threads: int) -> None:
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        self._compiled = self._library.Core().compile_model(model, "CPU", settings)
        self._request = self._compiled.create_infer_request()
        for name, array in feed.items():
            self._request.set_tensor(name, self._library.Tensor(array, shared_memory=True))

    def run(self) -> object:
        return self._request.infer(share_outputs=True)

    def answers(self) -> Arrays:
        results = self._request.results
        return {output.any_name: np.array(results[output]) for output in self._compiled.outputs}


class Torch:
    """The module that the suite's file was exported of. The file's name is the network's."""

    title = "PyTorch"

    def __init__(self) -> None:
        import torch

        from benchmarks.nets import export

        self._library, self._export = torch, export

    @property
    def version(self) -> str:
        return str(self._library.__version__)

    def load(self, model: Path, feed: Arrays, threads: int) -> None:
        self._library.set_num_threads(threads)
        self._names = self._export.outputs(model.stem)
        self._module = self._export.build(model.stem)
        self._feed = [self._library.from_numpy(array) for array in feed.values()]

    def run(self) -> object:
        with self._library.inference_mode():
            self._answers = self._module(*self._feed)
        return self._answers

    def answers(self) -> Arrays:
        found = self._answers if isinstance(self._answers, tuple) else (self._answers,)
        return dict(zip(self._names, (tensor.numpy() for tensor in found), strict=True))


class XGBoost:
    """The booster that lies beside the ONNX file, in place; missing values are looked for."""

    title = "XGBoost"

    def __init__(self) -> None:
        import xgboost

        self._library = xgboost

    @property
    def version(self) -> str:
        return str(self._library.__version__)

    def load(self, model: Path, feed: Arrays, threads: int) -> None:
        self._booster = self._library.Booster(model_file=model.with_suffix(".ubj"))
        self._booster.set_param("nthread", str(threads))
        (self._x,) = feed.values()

    def run(self) -> object:
        self._answers = self._booster.inplace_predict(self._x)
        return self._answers

    def answers(self) -> Arrays:
        return {"output": np.asarray(self._answers).reshape(len(self._x), -1)}


class XGBoostC(XGBoost):
    """The same by its C interface, with everything prepared that one call needs."""

    title = "XGBoost (C)"

    def load(self, model: Path, feed: Arrays, threads: int) -> None:
        super().load(model, feed, threads)
        face = {**self._x.__array_interface__, "data": (self._x.ctypes.data, True)}
        face = {key: face[key] for key in ("data", "shape", "typestr", "version")}
        settings = {
            "type": 0, "training": False, "iteration_begin": 0, "iteration_end": 0,
            "missing": float("nan"), "strict_shape": True, "cache_id": 0,
        }  # fmt: skip
        self._shape, self._rank = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
        self._result = ctypes.POINTER(ctypes.c_float)()
        given = [json.dumps(value).encode() for value in (face, settings)]
        made = [ctypes.byref(v) for v in (self._shape, self._rank, self._result)]
        self._arguments = [self._booster.handle, *given, None, *made]
        self._call = self._library.core._LIB.XGBoosterPredictFromDense

    def run(self) -> object:
        if self._call(*self._arguments):
            raise RuntimeError("XGBoosterPredictFromDense failed")
        return None

    def answers(self) -> Arrays:
        shape = self._shape[: self._rank.value]
        made = np.ctypeslib.as_array(self._result, tuple(shape)).copy()
        return {"output": made.reshape(len(self._x), -1)}


class Treelite:
    """treelite's interpreter of the booster that lies beside the ONNX file."""

    title = "treelite (GTIL)"

    def __init__(self) -> None:
        import treelite

        self._library = treelite

    @property
    def version(self) -> str:
        return str(self._library.__version__)

    def load(self, model: Path, feed: Arrays, threads: int) -> None:
        booster = model.with_suffix(".ubj")
        self._model = self._library.frontend.load_xgboost_model(booster, format_choice="ubjson")
        (self._x,), self._threads = feed.values(), threads

    def run(self) -> object:
        self._answers = self._library.gtil.predict(self._model, self._x, nthread=self._threads)
        return self._answers

    def answers(self) -> Arrays:
        return {"output": self._answers.reshape(len(self._x), -1)}


class Tl2cgen:
    """The same trees as branches in C, compiled by gcc beside the ONNX file, once; rows lie ready
    in the form that its library wants, and it is called by its C interface.
    """

    title = "tl2cgen"

    def __init__(self) -> None:
        import tl2cgen
        import treelite

        self._library: Any = tl2cgen
        self._treelite = treelite

    @property
    def version(self) -> str:
        return str(self._library.__version__)

    def load(self, model: Path, feed: Arrays, threads: int) -> None:
        made = model.with_suffix(f".tl2cgen-{self.version}.so")
        if not made.exists():
            self._compile(model.with_suffix(".ubj"), made)
        (self._x,) = feed.values()
        predictor = self._library.Predictor(made, nthread=threads)
        rows = self._library.DMatrix(self._x, dtype="float32")
        self._made = np.zeros_like(predictor.predict(rows))
        self._kept: Any = predictor, rows
        if len(self._x) == 1:
            self._row(made)
            return
        result = self._made.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        self._arguments = [predictor.handle, rows.handle, 0, 0, result]
        self._call = self._library.predictor._LIB.TL2cgenPredictorPredictBatch

    def _row(self, made: Path) -> None:
        """One row goes to the compiled function itself: numbers, or -1 where one is missing."""
        row = np.where(np.isnan(self._x[0]), np.int32(-1), self._x[0].view(np.int32))
        self._kept = row
        given, result = (ctypes.c_void_p(a.ctypes.data) for a in (row, self._made))
        self._arguments = [given, 0, result]
        self._call = ctypes.CDLL(str(made)).predict
        self._call.restype = None

    def _compile(self, booster: Path, made: Path) -> None:
        model = self._treelite.frontend.load_xgboost_model(booster, format_choice="ubjson")
        cpus = len(os.sched_getaffinity(0))
        settings = {"parallel_comp": min(model.num_tree, 64)}
        self._library.export_lib(
            model, toolchain="gcc", libpath=made, params=settings, nthread=cpus,
            options=["-march=native"],
        )  # fmt: skip

    def run(self) -> object:
        if self._call(*self._arguments):
            raise RuntimeError("tl2cgen's function failed")
        return None

    def answers(self) -> Arrays:
        return {"output": self._made.reshape(len(self._x), -1).copy()}


RUNNERS: Mapping[str, type[Runner]] = {
    "neoc": Neoc,
    "ort": OnnxRuntime,
    "openvino": OpenVino,
    "torch": Torch,
    "xgboost": XGBoost,
    "xgboost_c": XGBoostC,
    "treelite": Treelite,
    "tl2cgen": Tl2cgen,
}
