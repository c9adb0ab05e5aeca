import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import targets
from compiler import cli, job, records
from compiler.records import Record

pytest_plugins = ["tests.compiler.front_door"]

HERE = Path(__file__).parent
Command = Callable[..., int]


@pytest.fixture
def neoc(scratch: Path, fresh_knobs: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs the command on a driver of drivers.py, in this process; gives the exit status."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    run = job.run

    def command(*arguments: object, driver: str = "succeed") -> int:
        monkeypatch.setattr(sys, "argv", ["neoc", *map(str, arguments)])
        monkeypatch.setattr(job, "run", partial(run, driver=f"drivers:{driver}"))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    yield command
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def flags(tmp_path: Path) -> list[object]:
    model = tmp_path / "net.onnx"
    model.write_bytes(b"model")
    return [
        *("compile", "--input", model, "--framework", "onnx", "--target-device", "ml_c5"),
        *("--output", tmp_path / "out"),
    ]


@pytest.fixture
def body(tmp_path: Path) -> dict[str, Any]:
    model = tmp_path / "net.onnx"
    model.write_bytes(b"model")
    return {
        "CompilationJobName": "job",
        "RoleArn": "arn:aws:iam::123456789012:role/service",
        "InputConfig": {"S3Uri": str(model), "Framework": "ONNX"},
        "OutputConfig": {"S3OutputLocation": str(tmp_path / "out"), "TargetDevice": "ml_c5"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
    }


def test_compile_tells_people_on_stderr(
    neoc: Command, flags: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert neoc(*flags) == 0
    captured = capsys.readouterr()
    made = tmp_path / "out" / "net-ml_c5.tar.gz"
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert [line[9:] for line in lines[:4]] == ["fetch", "build", "  warning: slow", "upload"]
    assert lines[4].startswith("done in ")
    assert f"  artifact  {made}" in lines
    assert made.exists()


def test_compile_tells_programs_on_stdout(
    neoc: Command, flags: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert neoc(*flags, "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["status"], told["reason"]) == ("COMPLETED", "")
    assert told["artifact"] == str(tmp_path / "out" / "net-ml_c5.tar.gz")
    assert told["size"] == 1000
    assert told["parity"] == {"relative": 2e-7}
    assert [phase["name"] for phase in told["phases"]] == ["fetch", "build", "upload"]
    assert told["warnings"] == ["slow"]


def test_compile_tells_every_step_to_programs(
    neoc: Command, flags: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert neoc(*flags, "--json", "--json-progress") == 0
    steps = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert ("phase", "fetch") == (steps[0]["kind"], steps[0]["name"])
    assert {"kind", "name", "value", "at"} == steps[-1].keys()


@pytest.mark.parametrize(
    ("driver", "status", "reason"),
    [
        ("refuse", 2, "ClientError: InputConfiguration: the model is a teapot."),
        ("stumble", 1, "ServerError: unexpected ValueError: not thought of"),
    ],
)
def test_a_failure_has_reason_and_status(
    driver: str,
    status: int,
    reason: str,
    neoc: Command,
    flags: list[object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert neoc(*flags, "--json", driver=driver) == status
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert (told["status"], told["reason"], told["artifact"]) == ("FAILED", reason, None)
    assert neoc(*flags, driver=driver) == status
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == f"  {reason}"
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (["--framework", "caffe"], "Framework 'CAFFE' is not known. hint: one of TENSORFLOW"),
        (["--target-device", "ml_c55"], 'Unknown target device "ml_c55". Did you mean ml_c5'),
        (["--target-device", "ml_p3"], "Unable to compile model for ml_p3"),
        (["--input", "gs://a/b"], "gs:// is not supported"),
        (["--input", "missing"], "InputConfiguration: missing does not exist"),
        (["--keep", "/dev/null/keep"], "--keep /dev/null/keep cannot be written"),
    ],
)
def test_a_mistake_costs_one_sentence(
    changes: list[str],
    text: str,
    neoc: Command,
    flags: list[object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert neoc(*flags, *changes) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("  ClientError: ")
    assert text in last


@pytest.mark.parametrize(
    "arguments",
    [
        ["compile", "--max-runtime", "0"],
        ["compile", "--max-runtime", "soon"],
        ["compile", "--unknown"],
        ["run"],
        ["unknown"],
    ],
)
def test_bad_usage_is_status_2(arguments: list[str], neoc: Command) -> None:
    assert neoc(*arguments) == 2


def test_missing_flags_are_all_named(neoc: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert neoc("compile", "--input", "a") == 2
    text = "missing --framework, --target-device, --output; or give a request as --cli-input-json."
    assert text in capsys.readouterr().err


def test_a_request_of_the_aws_cli_is_taken(
    neoc: Command, body: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(body))
    assert neoc("compile", "--cli-input-json", file) == 0
    assert (tmp_path / "out" / "net-ml_c5.tar.gz").exists()
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(body)))
    assert neoc("compile", "--cli-input-json", "-", "--target-device", "ml_c4") == 0
    assert (tmp_path / "out" / "net-ml_c4.tar.gz").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not valid JSON: Expecting"),
        ("[]", "a CreateCompilationJob request is a JSON object."),
        ('{"InputConfig": {"S3Uri": 5}}', "InputConfig.S3Uri must be of type string, not 5"),
        ("\x00\xff", "is not valid JSON"),
    ],
)
def test_a_bad_request_is_told(
    text: str, why: str, neoc: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "request.json"
    file.write_bytes(text.encode("latin-1"))
    assert neoc("compile", "--cli-input-json", file, "--json") == 2
    assert why in json.loads(capsys.readouterr().out)["reason"]
    assert neoc("compile", "--cli-input-json", tmp_path / "none") == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_a_bad_knob_is_the_users_mistake(
    neoc: Command,
    flags: list[object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NEOC_MAX_INPUT_BYTES", "much")
    assert neoc(*flags) == 2
    assert "NEOC_MAX_INPUT_BYTES must be a whole number" in capsys.readouterr().err


def test_targets_lists_every_device(neoc: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert neoc("targets", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == {*targets.PROFILES, *targets.PLATFORMS, *targets.REFUSED}
    assert rows["ml_c5"]["compiles"] and not rows["ml_p3"]["compiles"]
    assert neoc("targets") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(rows)
    assert lines[0].split("\t")[:2] == ["ml_c4", "yes"]


@pytest.fixture
def artifact(affine: Path, tmp_path: Path) -> Path:
    """A loadable artifact with its manifest: scaled = 2 x + 0, 1, 2...; total = sum of y."""
    folder = tmp_path / "artifact"
    shutil.copytree(affine, folder)
    manifest = {
        "target": {"name": "host", "features": [], "link": targets.get("host").zig},
        "inputs": [
            {"name": "x", "dtype": "float32", "shape": [2, 3]},
            {"name": "y", "dtype": "int32", "shape": [4]},
        ],
        "kernels": [
            {
                "name": name, "template": "elementwise", "point": {}, "output": [1],
                "flops": 0, "bytes": 0, "calls": [[f"layer/{name}"]],
            }
            for name in ("affine", "total")
        ],
    }  # fmt: skip
    (folder / "manifest").write_text(json.dumps(manifest))
    return folder


def test_run_writes_every_output(
    neoc: Command, artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 3), np.float32))
    np.save(tmp_path / "y.npy", np.arange(4, dtype=np.int32))
    inputs = ["--input", f"x={tmp_path}/x.npy", "--input", f"y={tmp_path}/y.npy"]
    assert neoc("run", artifact, *inputs, "--output", tmp_path / "got") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"scaled float32[2, 3] {tmp_path}/got/scaled.npy",
        f"total int32[] {tmp_path}/got/total.npy",
    ]
    np.testing.assert_array_equal(np.load(tmp_path / "got" / "scaled.npy").ravel(), range(2, 8))
    assert np.load(tmp_path / "got" / "total.npy") == 6
    assert neoc("run", artifact, "--input", f"x={tmp_path}/x.npy") == 2
    assert "ClientError: input missing: y" in capsys.readouterr().err
    assert neoc("run", artifact, "--input", "x.npy") == 2
    assert "ClientError: --input 'x.npy' must be NAME=FILE.npy." in capsys.readouterr().err


def test_bench_measures(neoc: Command, artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert neoc("bench", artifact, "--threads", "1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert 0 < told["min_ms"] <= told["median_ms"] <= told["p90_ms"] <= told["p99_ms"]
    assert told["threads"] == 1
    assert neoc("bench", artifact / "none") == 2
    assert neoc("bench", artifact, "--profile", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["layers"] for row in rows] == [["layer/affine"], ["layer/total"]]
    assert neoc("bench", artifact, "--profile") == 0
    assert {"layer/affine", "layer/total"} < set(capsys.readouterr().out.split())


@pytest.mark.parametrize("arguments", [["--help"], ["targets"]])
def test_the_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = """
import sys
from compiler import cli
try:
    cli.main()
finally:
    heavy = {"tvm", "onnx", "onnxruntime", "boto3", "numpy", "frontends"} & sys.modules.keys()
    assert not heavy, heavy
"""
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_module_is_the_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "compiler", "--help"],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0
    assert all(name in ended.stdout for name in ("compile", "run", "bench", "targets"))


def test_records_are_shown_merged_and_exported(
    neoc: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NEOC_RECORDS", str(tmp_path / "mine.jsonl"))
    slow = Record("f32[8]: relu(p0)", "avx2", "znver3", 2, "elementwise", 1, {"a": 1}, 12.5)
    given, shipped = tmp_path / "given.jsonl", tmp_path / "shipped.jsonl"
    given.write_text(slow.line() + replace(slow, point={"a": 2}, us=11.0).line())
    assert neoc("records", "merge", given) == 0
    assert neoc("records", "export", shipped) == 0
    [kept] = records.read(shipped)
    assert (kept.us, kept.best_of) == (11.0, 2)
    assert neoc("records", "show", shipped) == 0
    shown = capsys.readouterr().out.splitlines()[-1].split()
    assert shown == "11.0 us avx2/znver3 x2 elementwise.1 a=2 f32[8]: relu(p0)".split()
    assert neoc("records", "merge", tmp_path / "missing") == 2
