"""The container image, without an engine: its file, and its steps in an own environment."""

import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.compiler import nets

ROOT = Path(__file__).parent.parent
LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
REQUEST = {
    "CompilationJobName": "one",
    "RoleArn": "arn:aws:iam::123456789012:role/service",
    "InputConfig": {"S3Uri": "net.tar.gz", "Framework": "ONNX"},
    "OutputConfig": {"S3OutputLocation": "out", "TargetDevice": "host"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 120},
}


def words(instruction: str) -> Iterator[list[str]]:
    for line in LINES:
        if line.startswith(f"{instruction} "):
            yield line.split()[1:]


def copied() -> list[str]:
    return [
        name for *names, _ in words("COPY") for name in names if not name.startswith(("-", "/"))
    ]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    kept = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(copied()) == sorted(kept)
    assert all((ROOT / name).exists() for name in copied())


def test_the_image_is_pinned_and_nobodys_but_a_users() -> None:
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-\w+", base[0]) for base in words("FROM"))
    [[user]] = words("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert list(words("ENTRYPOINT")) == [['["neoc"]']]


@pytest.fixture(scope="module")
def neoc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the second stage runs: the wheel of what is copied, installed without the source."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "source"
    source.mkdir()
    for name in copied():
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*pip, str(source)], check=True)
    [wheel] = folder.glob("*.whl")
    shutil.rmtree(source)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "neoc")], check=True)
    programs = folder / "neoc" / "bin"
    subprocess.run([programs / "pip", "install", "--quiet", f"{wheel}[service]"], check=True)
    return programs / "neoc"


@pytest.fixture
def environment(neoc: Path, tmp_path: Path) -> dict[str, str]:
    """The image's: no home, and /data to write to."""
    data = tmp_path / "data"
    data.mkdir()
    places = {"XDG_DATA_HOME": str(data), "XDG_CACHE_HOME": str(data / "cache")}
    temporary = {"TMPDIR": str(tmp_path), "HOME": "/proc/none"}
    return {"PATH": f"{neoc.parent}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1",
            "NEOC_HOST": "127.0.0.1", **places, **temporary}  # fmt: skip


@pytest.mark.full
def test_one_compilation(neoc: Path, environment: dict[str, str], tmp_path: Path) -> None:
    model = nets.save(nets.net(), tmp_path)
    with tarfile.open(tmp_path / "net.tar.gz", "w:gz") as tar:
        tar.add(model, model.name)
    done = subprocess.run(
        [str(neoc), "compile", "--cli-input-json", "-", "--no-tune"],
        input=json.dumps(REQUEST), env=environment, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "net-host.tar.gz").is_file()


@pytest.mark.full
def test_a_server_and_a_worker(neoc: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """Up, well and ended."""
    serve = [str(neoc), "serve", "--port", "0", "--workers", "0"]
    with subprocess.Popen(
        serve, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        url = re.search(r"http://\S+:\d+", server.stdout.readline())
        assert url
        with urlopen(f"{url[0]}/healthz") as answer:
            assert answer.status == 200
        with urlopen(f"{url[0]}/sign-in") as answer:
            assert b"Secret key" in answer.read()
        worker = subprocess.Popen([str(neoc), "worker"], env=environment, cwd=tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(5)
        worker.terminate()
        assert worker.wait(30) == 143
        server.terminate()
        assert server.wait(30) == 143
