"""The rivals, a class each: made ready with a model and its inputs, then run without copies."""

from collections.abc import Mapping
from pathlib import Path

import onnxruntime

from compiler import abi
from compiler.abi import Array

Arrays = Mapping[str, Array]


class Neoc:
    """An unpacked artifact through its C ABI."""

    def __init__(self, folder: Path, feed: Arrays, threads: int) -> None:
        self._session = abi.Session(folder)
        self._session.set_threads(threads)
        self._session.feed(feed)
        self.run = self._session.execute

    def answers(self) -> dict[str, Array]:
        return self._session.results()


class OnnxRuntime:
    """Inputs and outputs bound once, every optimisation on, as its documentation advises."""

    def __init__(self, model: Path, feed: Arrays, threads: int) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            model, settings, providers=["CPUExecutionProvider"]
        )
        self._names = [output.name for output in self._session.get_outputs()]
        self._binding = self._session.io_binding()
        for name, array in feed.items():
            self._binding.bind_cpu_input(name, array)
        for name in self._names:
            self._binding.bind_output(name)

    def run(self) -> None:
        self._session.run_with_iobinding(self._binding)

    def answers(self) -> dict[str, Array]:
        return dict(zip(self._names, self._binding.copy_outputs_to_cpu(), strict=True))
