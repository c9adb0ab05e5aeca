"""The real models: compiled and verified by the command, then run from the unpacked artifact by
three clients whose answers must be the same to the bit.

Continuous integration takes every kind of network once; `make test-full` takes all of them, for
this machine and for ml_c5.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import targets
from benchmarks import models
from compiler import build

ROOT = Path(__file__).parent.parent
CLIENT = ROOT / "tests" / "compiler" / "client.c"
AWS = "ml_c5"
# What most clients ask for, where its code runs; else this machine's own.
DEVICE = AWS if targets.runs_here(targets.get(AWS).isa) else "host"
# Those whose kinds of layers another has, too, wait for the full run.
FULL = {
    "resnet50_int8",
    "light_bvlc_alexnet",
    "light_densenet121",
    "light_inception_v1",
    "light_inception_v2",
    "light_resnet50",
    "light_vgg19",
    "light_zfnet512",
}
CROSS = {"ppocr_cls", "magika", "light_squeezenet"}  # compiled for AVX-512 on any machine
NO_NETWORK = ("NewConnectionError", "Temporary failure in name resolution", "ProxyError")

STOCK = """
import socket, sys
def refuse(*_): raise SystemExit("the client went to the network")
socket.socket.connect = socket.getaddrinfo = refuse
import numpy as np
from dlr import DLRModel
folder, given, got = sys.argv[1:]
model = DLRModel(folder, "cpu")
names, outputs = np.load(given), model.get_output_names()
answers = model.run({name: names[name] for name in names.files})
np.savez(got, **{str(n): answer for n, answer in enumerate(answers)})
"""

Array = np.ndarray


def named(names: set[str]) -> list[Any]:
    """All networks as parameters; those not among `names` wait for the full run."""
    full = [pytest.mark.full]
    return [pytest.param(name, marks=full if name not in names else []) for name in models.ROWS]


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Path:
    """The file of the network that the test is for."""
    try:
        return models.fetch(request.param)
    except models.FetchError as error:
        if any(text in str(error) for text in NO_NETWORK):
            pytest.skip(f"no network to fetch the model: {error}")
        raise


def compile_(model: Path, device: str, output: Path, **environment: str) -> dict[str, Any]:
    """What the command says of the artifact it made in the folder."""
    shapes = json.dumps(models.ROWS[model.stem].inputs)
    arguments = ["--framework", "ONNX", "--data-input-config", shapes, "--target-device", device]
    arguments += ["--output", str(output), "--no-tune", "--json"]
    command = [sys.executable, "-m", "compiler", "compile", "--input", str(model), *arguments]
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )
    told: dict[str, Any] = json.loads(ended.stdout)
    assert ended.returncode == 0, told["reason"]
    return told


def check(told: dict[str, Any], model: Path) -> None:
    """Its errors, as verified: the largest of several runs, each with a scale of its own. Its
    size: nothing to compare with where the file has no weights, but how to fill them."""
    assert told["parity"]["bound"] == 1e-3
    if models.ROWS[model.stem] in models.TRAINED:
        assert told["size"] <= 1.1 * model.stat().st_size + 2e6
    for name, error in told["parity"]["outputs"].items():
        assert error["relative"] <= 1e-3, name


def unpacked(artifact: str, folder: Path) -> Path:
    with tarfile.open(artifact) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("model", named(models.ROWS.keys() - FULL), indirect=True)
def test_three_clients_agree(model: Path, tmp_path: Path, dlr_python: Path, client: Path) -> None:
    told = compile_(model, DEVICE, tmp_path / "out")
    check(told, model)
    folder = unpacked(told["artifact"], tmp_path / "artifact")
    feed = models.ROWS[model.stem].feed(seed=7)
    manifest = json.loads((folder / "manifest").read_text())
    outputs = [tensor["name"] for tensor in manifest["outputs"]]
    ours = list(by_command(Path(told["artifact"]), feed, outputs, tmp_path))
    stock = list(by_stock_client(dlr_python, folder, feed, tmp_path))
    c = list(by_c_program(client, folder, feed, manifest, tmp_path))
    for name, *answers in zip(outputs, ours, stock, c, strict=True):
        assert np.isfinite(answers[0]).all(), name
        for answer in answers[1:]:
            np.testing.assert_array_equal(answer, answers[0], err_msg=name)


@pytest.mark.slow
@pytest.mark.skipif(DEVICE == AWS, reason="this CPU runs the code itself: tested above")
@pytest.mark.parametrize("model", named(CROSS), indirect=True)
def test_compiles_for_a_cpu_that_is_not_here(model: Path, tmp_path: Path) -> None:
    told = compile_(model, AWS, tmp_path)
    check(told, model)
    assert any("cannot execute" in warning for warning in told["warnings"])


@pytest.mark.slow
@pytest.mark.parametrize("model", ["magika"], indirect=True)
def test_twice_is_the_same(model: Path, tmp_path: Path) -> None:
    """In another folder, with Python's hashes and the locale and the time zone otherwise."""
    tmp = tmp_path / "other" / "tmp"
    tmp.mkdir(parents=True)
    first = compile_(model, DEVICE, tmp_path / "one", PYTHONHASHSEED="1")
    other = {"PYTHONHASHSEED": "2", "TMPDIR": str(tmp), "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    second = compile_(model, DEVICE, tmp_path / "other", **other)
    assert first["digest"] == second["digest"]


# ---- the clients ----


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A C program that knows dlr.h and nothing else; each artifact brings its own library."""
    folder = tmp_path_factory.mktemp("client")
    zig = targets.get(DEVICE).zig
    library = build.link_runtime(zig, folder)
    command = [sys.executable, "-m", "ziglang", "cc", "-target", zig, "-O2", str(CLIENT)]
    command += [f"-I{build.RUNTIME}", str(library), "-o", str(folder / "client")]
    subprocess.run(command, check=True)
    return folder / "client"


def by_command(
    artifact: Path, feed: dict[str, Array], outputs: list[str], folder: Path
) -> Iterator[Array]:
    arguments = []
    for number, (name, array) in enumerate(feed.items()):
        np.save(folder / f"{number}.npy", array)
        arguments += ["--input", f"{name}={folder / f'{number}.npy'}"]
    command = [sys.executable, "-m", "compiler", "run", str(artifact), *arguments]
    subprocess.run([*command, "--output", str(folder)], cwd=ROOT, check=True, capture_output=True)
    for name in outputs:
        yield np.load(folder / f"{name.replace('/', '_')}.npy")


def by_stock_client(
    python: Path, folder: Path, feed: dict[str, Array], scratch: Path
) -> Iterator[Array]:
    given, got = scratch / "given.npz", scratch / "got.npz"
    np.savez(given, **feed)  # type: ignore[arg-type]  # no input is called allow_pickle
    command = [str(python), "-I", "-W", "ignore", "-c", STOCK, str(folder), str(given), str(got)]
    subprocess.run(command, cwd=scratch, check=True, capture_output=True)
    with np.load(got) as answers:
        yield from (answers[name] for name in answers.files)


def by_c_program(
    client: Path, folder: Path, feed: dict[str, Array], manifest: dict[str, Any], scratch: Path
) -> Iterator[Array]:
    files: list[Path] = []
    for tensor in manifest["inputs"]:
        files.append(scratch / f"{len(files)}.in")
        feed[tensor["name"]].tofile(files[-1])
    environment = {"LD_LIBRARY_PATH": str(folder)}
    subprocess.run([client, folder, scratch, *files], env=environment, check=True)
    for number, tensor in enumerate(manifest["outputs"]):
        yield np.fromfile(scratch / f"{number}.raw", tensor["dtype"]).reshape(tensor["shape"])


def test_the_c_program_is_short_and_includes_only_the_header() -> None:
    source = CLIENT.read_text()
    assert re.findall(r"#include (\S+)", source) == ["<stdio.h>", "<stdlib.h>", '"dlr.h"']
    assert source.count("\n") < 60
