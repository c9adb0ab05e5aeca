"""Environments of frameworks that cannot be beside our own packages: made once, on demand."""

import fcntl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.models import FetchError, cache_folder

ROOT = Path(__file__).parent.parent
TORCH = ("torch==2.13.0", "onnx==1.23.2", "numpy==2.4.6")
ZOOS = ("torchvision==0.28.0", "timm==1.0.31", "transformers==5.24.0")
INDEX = "https://download.pytorch.org/whl/cpu"  # PyPI's own torch brings CUDA along
# XGBoost's package and what the version needs that it does not say.
XGBOOSTS = {
    "0.90": ("xgboost==0.90", "numpy==1.23.5", "scipy==1.10.1"),
    "1.7.6": ("xgboost==1.7.6", "numpy==1.26.4", "scipy==1.15.3"),
    "2.1.4": ("xgboost-cpu==2.1.4", "numpy==2.2.6", "scipy==1.15.3"),
    "3.2.0": ("xgboost-cpu==3.2.0", "numpy==2.4.6", "scipy==1.17.1"),
}


def torch() -> Path:
    """Its Python. Raises FetchError."""
    return python("torch-2.13.0", [["--extra-index-url", INDEX, *TORCH]])


def torch_zoos() -> Path:
    """Its Python, with zoos of networks beside torch. Raises FetchError."""
    return python("torchvision-0.28.0", [["--extra-index-url", INDEX, *TORCH, *ZOOS]])


def xgboost(version: str) -> Path:
    """Its Python. Raises FetchError."""
    return python(f"xgboost-{version}", [XGBOOSTS[version]])


def mxnet() -> Path:
    """Its Python: the last MXNet wants a numpy that is older than it says. Raises FetchError."""
    older = ["numpy==1.23.5", "requests", "graphviz==0.8.4"]
    return python("mxnet-1.9.1", [older, ["--no-deps", "mxnet==1.9.1"]])


def tensorflow() -> Path:
    """Its Python; tf_keras by itself would bring a second TensorFlow. Raises FetchError."""
    packages = ["tensorflow-cpu==2.21.0", "tf2onnx==1.17.0", "onnx==1.23.2", "numpy==2.4.6"]
    alone = ["--no-deps", "tf_keras==2.21.0"]
    return python("tensorflow-2.21.0", [packages, alone])


def python(name: str, installs: Sequence[Sequence[str]]) -> Path:
    """The Python of an environment with what pip installs by these arguments, call by call."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache_folder().parent / f"{name}-python{version}"
    folder.mkdir(parents=True, exist_ok=True)
    path, ready = folder / "env" / "bin" / "python", folder / "ready"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            why = f"no environment with {name} can be made"
            run([sys.executable, "-m", "venv", "--clear", str(folder / "env")], why)
            for arguments in installs:
                run([str(path), "-m", "pip", "install", "--quiet", *arguments], why)
            ready.touch()
    return path


def run(command: list[str], why: str) -> None:
    """Raises FetchError with its last words."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise FetchError(f"{why}: {done.stderr.strip()[-500:]}")
