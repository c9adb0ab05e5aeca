"""An artifact's C ABI from Python, and `python -m compiler.abi FOLDER IN.npz OUT.npz ...`.

The module's command runs a model in a process of its own: what crashes there is the model's, and
no library of the compiler stands in for something that the artifact lacks.
"""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import ml_dtypes  # noqa: F401  # gives numpy the names of narrow types
import numpy as np
from numpy.typing import NDArray

from compiler.errors import ServerError

Array = NDArray[np.generic]
CPU = 1


class RuntimeFault(ServerError):
    """The artifact's library refused a call; the text is its DLRGetLastError."""


@dataclass(frozen=True)
class Tensor:
    """An input or output as the library tells it; dtype is numpy's name. A dimension that is not
    known yet is -1.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


class Session:
    """A loaded artifact. Use it in one thread at a time, as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Raises RuntimeFault for whatever does not load."""
        library = folder / "libdlr.so"
        try:
            self._library = ctypes.CDLL(str(library.resolve()))
        except OSError as exc:
            raise RuntimeFault(f"Cannot load {library}: {exc}") from exc
        self._library.DLRGetLastError.restype = ctypes.c_char_p
        self._handle = ctypes.c_void_p()
        # Found once: to look for it takes longer than a small model's run.
        self._run, self._model = self._library.RunDLRModel, ctypes.byref(self._handle)
        self._call("CreateDLRModel", str(folder.resolve()).encode(), CPU, 0)
        self.inputs = self._tensors("Input")
        self.outputs = self._tensors("Output")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Unload the model; a second time does nothing."""
        self._call("DeleteDLRModel")

    def set_threads(self, threads: int) -> None:
        """For every model of this library, from its next run on; 0 lets it decide."""
        self._call("SetDLRNumThreads", threads)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All inputs in, all outputs out, by name. Raises RuntimeFault for what does not fit."""
        self.feed(inputs)
        self.execute()
        return self.results()

    def feed(self, inputs: Mapping[str, Array]) -> None:
        """Copy all inputs in; they stay for every run that follows."""
        missing = [tensor.name for tensor in self.inputs if tensor.name not in inputs]
        if missing:
            raise RuntimeFault(f"No data is given for input {', '.join(missing)}.")
        dtypes = {tensor.name: tensor.dtype for tensor in self.inputs}
        for name, array in inputs.items():
            wanted = dtypes.get(name, array.dtype.name)
            if array.dtype.kind == "V" and array.dtype.itemsize == np.dtype(wanted).itemsize:
                array = array.view(wanted)  # what a file keeps of a type of ml_dtypes
            if array.dtype.name != wanted:
                raise RuntimeFault(f"Input {name} must be {wanted}, not {array.dtype.name}.")
            self._set(name, np.ascontiguousarray(array))

    def execute(self) -> None:
        """Run the model on what it was fed: the part that takes the time."""
        if self._run(self._model):
            raise self._fault()

    def results(self) -> dict[str, Array]:
        """Copies of the last run's outputs."""
        outputs = self.outputs
        if any(-1 in tensor.shape for tensor in outputs):
            outputs = self._tensors("Output")
        return {tensor.name: self._get(i, tensor) for i, tensor in enumerate(outputs)}

    def _set(self, name: str, array: Array) -> None:
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        data = array.ctypes.data_as(ctypes.c_void_p)
        self._call("SetDLRInput", name.encode(), shape, data, array.ndim)

    def _get(self, index: int, tensor: Tensor) -> Array:
        array = np.empty(tensor.shape, tensor.dtype)
        self._call("GetDLROutput", index, array.ctypes.data_as(ctypes.c_void_p))
        return array

    def _tensors(self, kind: str) -> tuple[Tensor, ...]:
        count = ctypes.c_int()
        self._call(f"GetDLRNum{kind}s", ctypes.byref(count))
        return tuple(self._tensor(kind, i) for i in range(count.value))

    def _tensor(self, kind: str, index: int) -> Tensor:
        size, dim = ctypes.c_int64(), ctypes.c_int()
        self._call(f"GetDLR{kind}SizeDim", index, ctypes.byref(size), ctypes.byref(dim))
        shape = (ctypes.c_int64 * dim.value)()
        self._call(f"GetDLR{kind}Shape", index, shape)
        name, dtype = self._text(f"GetDLR{kind}Name", index), self._text(f"GetDLR{kind}Type", index)
        return Tensor(name, tuple(shape), dtype)

    def _text(self, function: str, index: int) -> str:
        text = ctypes.c_char_p()
        self._call(function, index, ctypes.byref(text))
        return (text.value or b"").decode()

    def _call(self, name: str, *arguments: object) -> None:
        function: Callable[..., int] = self._library[name]
        if function(ctypes.byref(self._handle), *arguments):
            raise self._fault()

    def _fault(self) -> RuntimeFault:
        return RuntimeFault(self._library.DLRGetLastError().decode("ascii"))


def save(path: Path, arrays: Mapping[str, Array]) -> None:
    """An uncompressed .npz. numpy.savez takes names as keywords, and chokes on one like `file`."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def load(path: Path) -> dict[str, Array]:
    """What `save` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def run_apart(
    folder: Path, feeds: Sequence[Mapping[str, Array]], limit_s: float | None = None
) -> list[dict[str, Array]]:
    """A run for each of the inputs, in one fresh process. Raises RuntimeFault with its error text,
    or its signal's name, or where it does not end within the limit.
    """
    with tempfile.TemporaryDirectory(prefix="neoc-run-") as name:
        files = [(Path(name, f"in{n}.npz"), Path(name, f"out{n}.npz")) for n in range(len(feeds))]
        for (given, _), inputs in zip(files, feeds, strict=True):
            save(given, inputs)
        command = [sys.executable, "-m", "compiler.abi", str(folder)]
        try:
            done = subprocess.run(
                command + [str(path) for pair in files for path in pair],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_s,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise RuntimeFault(
                f"The compiled model in {folder} did not end within {limit_s:g} s."
            ) from error
        if done.returncode < 0:
            died = signal.Signals(-done.returncode).name
            raise RuntimeFault(f"The compiled model in {folder} crashed with {died}.")
        if done.returncode:
            raise RuntimeFault(done.stderr.strip())
        return [load(got) for _, got in files]


def main(arguments: list[str]) -> int:
    """Exit status 1 and one line on stderr where the model refuses."""
    if len(arguments) < 3 or len(arguments) % 2 == 0:
        print("usage: python -m compiler.abi FOLDER IN.npz OUT.npz ...", file=sys.stderr)
        return 2
    folder, *files = map(Path, arguments)
    try:
        with Session(folder) as session:
            for given, got in zip(files[::2], files[1::2], strict=True):
                save(got, session.run(load(given)))
    except RuntimeFault as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
