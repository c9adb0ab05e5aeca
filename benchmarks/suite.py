"""The fifteen networks that neoc is measured on: what they take, and where their files are.

Their weights are random. A network is exported once, by torch in an environment of its own that
is made on demand, and kept in the user's cache folder.
"""

import fcntl
import hashlib
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.models import FetchError, Shape, cache_folder

ROOT = Path(__file__).parent.parent
PACKAGES = ("torch==2.13.0", "onnx==1.23.2", "numpy==2.4.6")
INDEX = "https://download.pytorch.org/whl/cpu"  # PyPI's own torch brings CUDA along


@dataclass(frozen=True)
class Input:
    """high: one above the largest value of an integer input; 0: it has normal floats."""

    shape: Shape
    high: int = 0

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        if self.high:
            return rng.integers(0, self.high, self.shape)
        return rng.standard_normal(self.shape).astype(np.float32)


IMAGE = {"image": Input((1, 3, 224, 224))}
TEXT = {
    "words": Input((1, 128), 30522),
    "mask": Input((1, 128), 2),
    "types": Input((1, 128), 2),
}
NETS: Mapping[str, Mapping[str, Input]] = {
    "resnet18": IMAGE,
    "resnet50": IMAGE,
    "mobilenet_v2": IMAGE,
    "mobilenet_v3_small": IMAGE,
    "efficientnet_b0": IMAGE,
    "convnext_tiny": IMAGE,
    "densenet121": IMAGE,
    "shufflenet_v2": IMAGE,
    "squeezenet1_1": IMAGE,
    "vgg16": IMAGE,
    "inception_v3": {"image": Input((1, 3, 299, 299))},
    "vit_b_16": IMAGE,
    "bert_base": TEXT,
    "minilm": TEXT,
    "lstm": {"steps": Input((50, 1, 128))},
}


def feed(net: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Random inputs, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return {name: value.draw(rng) for name, value in NETS[net].items()}


def fetch(net: str) -> Path:
    """The network's file, exported if need be. Raises FetchError where that fails."""
    place = cache_folder() / f"suite-{_version()}" / f"{net}.onnx"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        command = [str(torch_python()), "-m", "benchmarks.nets.export", str(place), net]
        _run(command, f"{net} cannot be exported")
    return place


def torch_python() -> Path:
    """The Python of an environment with torch, made once."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache_folder().parent / f"{PACKAGES[0].replace('==', '-')}-python{version}"
    folder.mkdir(parents=True, exist_ok=True)
    python, ready = folder / "env" / "bin" / "python", folder / "ready"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            why = "no environment with torch can be made"
            _run([sys.executable, "-m", "venv", "--clear", str(folder / "env")], why)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--extra-index-url", INDEX]
            _run([*pip, *PACKAGES], why)
            ready.touch()
    return python


def _version() -> str:
    """Of the definitions: other ones, other files."""
    sources = sorted((ROOT / "benchmarks" / "nets").glob("*.py"))
    text = b"".join(path.read_bytes() for path in sources)
    return hashlib.sha256(" ".join(PACKAGES).encode() + text).hexdigest()[:12]


def _run(command: list[str], why: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise FetchError(f"{why}: {done.stderr.strip()[-500:]}")
