"""Bad input through the real command: one sentence, exit status 2, and nothing left behind."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import onnx.parser
import pytest
from onnx import TensorProto

ROOT = Path(__file__).parent.parent
HEAD = '<ir_version: 8, opset_import: ["": 17, "mine": 1]>'
NET = f"{HEAD} net (float[1, 4] x) => (float[1, 4] y) {{ y = Relu(x) }}"
STRANGE = f"""{HEAD} net (float[1, 4] x) => (float[1, 4] y)
{{ a = mine.Teapot(x) b = Relu(a) c = mine.Kettle(b) y = mine.Teapot(c) }}"""
FREE = f"{HEAD} net (float[N, 4] x) => (float[N, 4] y) {{ y = Relu(x) }}"
MIB = 1 << 20


def model(text: str = NET) -> bytes:
    return bytes(onnx.parser.parse_model(text).SerializeToString())


def outside(location: str) -> bytes:
    """A model whose weight is in another file."""
    proto = onnx.parser.parse_model(
        f"{HEAD} net (float[1, 4] x) => (float[1, 4] y) <float[4] w> {{ y = Add(x, w) }}"
    )
    [weight] = proto.graph.initializer or [proto.graph.initializer.add()]
    weight.CopyFrom(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4]))
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", "16")):
        weight.external_data.add(key=key, value=value)
    return bytes(proto.SerializeToString())


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    return member


def archive(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return stream.getvalue()


@dataclass(frozen=True)
class Case:
    """text: what the sentence must say. content: of the input file. options: replace the usual."""

    text: str
    content: Callable[[], bytes] = lambda: archive(("net.onnx", model()))
    options: dict[str, str] = field(default_factory=dict)


def config(text: str) -> dict[str, str]:
    return {"--data-input-config": text}


CASES = {
    "not gzip": Case("Please confirm the model is a tar.gz file", lambda: b"PK\3\4" * 99),
    "not a tar": Case("Please confirm the model is a tar.gz file", lambda: b"\x1f\x8b" + b"0" * 99),
    "path escape": Case("lies outside", lambda: archive(("../net.onnx", model()))),
    "symbolic link": Case("is a link", lambda: archive(link("net.onnx", tarfile.SYMTYPE))),
    "bomb": Case("expands to more than 256 MiB", lambda: archive(("net.onnx", bytes(257 * MIB)))),
    "no model": Case("No .onnx file found", lambda: archive(("readme.txt", b"hello"))),
    "two models": Case(
        "Exactly one .onnx file is allowed",
        lambda: archive(("a.onnx", model()), ("b/b.onnx", model())),
    ),
    "not ONNX": Case("Framework cannot load ONNX model", lambda: archive(("net.onnx", b"GIF89a"))),
    "truncated": Case(
        "Framework cannot load ONNX model", lambda: archive(("net.onnx", model()[:-9]))
    ),
    "data above": Case("'../../secret'", lambda: archive(("m/net.onnx", outside("../../secret")))),
    "data anywhere": Case("'/etc/passwd'", lambda: archive(("net.onnx", outside("/etc/passwd")))),
    "unsupported": Case(
        "mine::Kettle", lambda: archive(("net.onnx", model(STRANGE))), config('{"x": [1, 4]}')
    ),
    "free dimension": Case("DataInputConfig", lambda: archive(("net.onnx", model(FREE)))),
    "unknown input": Case("its inputs are ['x']", options=config('{"data": [1, 4]}')),
    "wrong rank": Case("3 dimensions, [1, 1, 4]; the model has 2", options=config("[[1, 1, 4]]")),
    "wrong dimension": Case("the model fixes to 4", options=config('{"x": [1, 5]}')),
    "negative dimension": Case("is negative", options=config('{"x": [1, -4]}')),
    "shapes not JSON": Case("Incorrect json format", options=config('{"x": [1, 4')),
    "options not JSON": Case(
        "CompilerOptions is not valid JSON", options={"--compiler-options": "{"}
    ),
    "unknown framework": Case("one of TENSORFLOW", options={"--framework": "CAFFE"}),
    "unknown device": Case("Did you mean ml_c5", options={"--target-device": "ml_c55"}),
    "refused device": Case("model for ml_p3", options={"--target-device": "ml_p3"}),
    "no input": Case("does not exist", options={"--input": "/nowhere/net.tar.gz"}),
}


@pytest.mark.parametrize("name", CASES)
def test_one_sentence_and_nothing_left(name: str, tmp_path: Path) -> None:
    case, scratch, output = CASES[name], tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    source = tmp_path / "net.tar.gz"
    source.write_bytes(case.content())
    options = {
        "--input": str(source),
        "--framework": "ONNX",
        "--target-device": "ml_c5",
        "--output": str(output),
        **case.options,
    }
    before = sorted(tmp_path.iterdir())
    arguments = [word for option in options.items() for word in option]
    ended = neoc("compile", *arguments, "--json", TMPDIR=str(scratch))
    told = json.loads(ended.stdout)
    assert ended.returncode == 2, told["reason"]
    assert told["status"] == "FAILED" and told["artifact"] is None
    assert told["reason"].startswith("ClientError: ")
    assert case.text in told["reason"]
    assert "Traceback" not in ended.stderr and "Error:" not in ended.stderr
    assert not list(scratch.iterdir())
    assert sorted(tmp_path.iterdir()) == before


def test_a_person_reads_it_on_the_last_line(tmp_path: Path) -> None:
    (tmp_path / "net.tar.gz").write_bytes(CASES["unsupported"].content())
    options = ["--framework", "ONNX", "--target-device", "ml_c5", "--output", str(tmp_path)]
    ended = neoc("compile", "--input", str(tmp_path / "net.tar.gz"), *options)
    assert (ended.returncode, ended.stdout) == (2, "")
    [start] = [n for n, line in enumerate(ended.stderr.splitlines()) if "failed" in line]
    reason = "\n".join(ended.stderr.splitlines()[start + 1 :])
    assert reason.startswith("  ClientError: ")
    assert reason.count("(mine::Teapot, ") == 2 and reason.count("(mine::Kettle, ") == 1


def test_a_request_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text('{"InputConfig": ')
    ended = neoc("compile", "--cli-input-json", str(tmp_path / "request.json"))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "request.json is not valid JSON" in ended.stderr.splitlines()[-1]


def neoc(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "compiler", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
