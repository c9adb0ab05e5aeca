"""The fifteen networks that neoc is measured on: what they take, and where their files are.

Their weights are random. A network is exported once, by torch in an environment of its own that
is made on demand, and kept in the user's cache folder.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import environments
from benchmarks.models import Shape, cache_folder

ROOT = Path(__file__).parent.parent


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
        environments.run(command, f"{net} cannot be exported")
    return place


def torch_python() -> Path:
    """The Python of an environment with torch, made once."""
    return environments.torch()


def _version() -> str:
    """Of the definitions: other ones, other files."""
    sources = sorted((ROOT / "benchmarks" / "nets").glob("*.py"))
    text = b"".join(path.read_bytes() for path in sources)
    return hashlib.sha256(" ".join(environments.TORCH).encode() + text).hexdigest()[:12]
