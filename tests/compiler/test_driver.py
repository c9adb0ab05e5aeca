"""compiler/driver.py: the whole line on a tiny network, and that the line stays one page."""

import inspect
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from compiler import driver, dump, progress
from compiler.artifact import Artifact
from compiler.errors import ClientError
from compiler.request import CompileRequest
from frontends.model import ModelError
from targets import TargetError
from tests.compiler import nets

FILES = ["compiled.meta", "compiled.so", "dlr.h", "libdlr.so", "manifest"]


@pytest.fixture
def events() -> Iterator[list[progress.Event]]:
    seen: list[progress.Event] = []
    progress.listen(seen.append)
    yield seen
    progress.listen(None)
    dump.start(None)


@pytest.fixture
def request_(tmp_path: Path) -> CompileRequest:
    source = nets.save(nets.net(), tmp_path)
    output = str(tmp_path / "out")
    return CompileRequest(
        source=str(source), framework="ONNX", target="host", output=output, tune_s=0
    )


def compile_in(folder: Path, request: CompileRequest) -> Artifact:
    folder.mkdir()
    return driver.compile(request, folder)


def test_the_line_is_one_page() -> None:
    assert len(inspect.getsource(driver.compile).splitlines()) <= 60


def test_a_request_becomes_an_artifact(
    request_: CompileRequest, tmp_path: Path, events: list[progress.Event]
) -> None:
    made = compile_in(tmp_path / "work", replace(request_, keep=str(tmp_path / "keep")))
    assert made.uri == str(tmp_path / "out" / "net-host.tar.gz")
    with tarfile.open(made.uri) as archive:
        assert archive.getnames() == FILES
    manifest = json.loads(json.dumps(made.manifest))
    assert manifest["parity"]["relative"] < 1e-3
    assert [tensor["name"] for tensor in manifest["outputs"]] == ["y", "flat", "p"]
    assert manifest["derived_data_input_config"] == '{"x": [1, 8, 4, 4]}'
    assert {"conv2d", "elementwise"} <= {kernel["template"] for kernel in manifest["kernels"]}
    phases = [event.name for event in events if event.kind == "phase"]
    assert phases == [name for name in progress.PHASES if name in phases]
    assert {"fetch", "frontend", "build", "verify", "upload"} <= set(phases)
    kept = [path.name[3:] for path in sorted((tmp_path / "keep").iterdir())]
    assert kept[0].startswith("relax-") and kept[-1] == "plan.c"
    assert {"kernels.tir.py", "kernels.ll", "kernels.s"} <= set(kept)


def test_the_same_request_gives_the_same_bytes(
    request_: CompileRequest, tmp_path: Path, events: list[progress.Event]
) -> None:
    digests = {compile_in(tmp_path / name, request_).digest for name in ("one", "other-folder")}
    assert len(digests) == 1


def test_what_is_wrong_is_told_before_the_work(
    request_: CompileRequest, tmp_path: Path, events: list[progress.Event]
) -> None:
    with pytest.raises(TargetError, match="Unknown target device"):
        compile_in(tmp_path / "a", replace(request_, target="toaster"))
    (tmp_path / "file").touch()
    with pytest.raises(ClientError, match="is a file, not a folder"):
        compile_in(tmp_path / "b", replace(request_, output=str(tmp_path / "file" / "below")))
    assert events == []
    with pytest.raises(ModelError, match="does not have"):
        compile_in(tmp_path / "c", replace(request_, data_input_config='{"z": [1]}'))
    assert not (tmp_path / "out").exists()
