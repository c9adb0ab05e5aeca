"""What a framework's process may do, and how it tells what came of it; without a framework."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

from frontends import confined

SCRIPT = Path(confined.__file__)
TRIES = """
import importlib.util, os, socket, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("confined", sys.argv[1])
confined = importlib.util.module_from_spec(spec)
spec.loader.exec_module(confined)
folder, model, other = map(Path, sys.argv[2:])
confined.bound(model)
print(confined.confine(folder, model))
def tried(what):
    try:
        what()
    except OSError as error:
        return type(error).__name__
    return "done"
print(tried(lambda: model.read_bytes()), tried(lambda: (folder / "made").write_bytes(b"x")))
print(tried(lambda: other.read_bytes()), tried(lambda: other.write_bytes(b"x")))
print(tried(lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes()))
print(tried(lambda: socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), 5)))
print(tried(lambda: os.symlink("/etc/passwd", folder / "link")))
import numpy
"""


def test_it_reads_its_model_and_writes_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("model", "other"):
        (tmp_path / name).write_bytes(b"m")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        places = [str(folder), str(tmp_path / "model"), str(tmp_path / "other")]
        done = subprocess.run(
            [sys.executable, "-P", "-c", TRIES, str(SCRIPT), *places],
            capture_output=True, text=True, env={"PORT": port}, check=True,
        )  # fmt: skip
    free, own, foreign, environment, network, link = done.stdout.splitlines()
    assert own == "done done"
    if "other files" not in free:  # an old kernel, or one in a sandbox of its own
        assert foreign == "PermissionError PermissionError"
        assert environment == link == "PermissionError"
        assert (tmp_path / "other").read_bytes() == b"m"
    if "the network" not in free:
        assert network != "done"


FRAMEWORK = """
class Refused(Exception):
    pass

def load(model, job):
    return float(model.read_text())

def export(loaded, folder, job):
    if job["wrong"]:
        raise {"refused": Refused, "error": ValueError}[job["wrong"]]("what was\\ngiven")
    return {"made": loaded}

def answer(loaded, inputs):
    return [loaded * x for x in inputs]
"""


def said(folder: Path, model: str = "2.5", **job: object) -> dict[str, object]:
    """What the process says."""
    (folder / "framework.py").write_text(FRAMEWORK)
    (folder / "model").write_text(model)
    places = {"script": str(folder / "framework.py"), "model": str(folder / "model")}
    (folder / "job.json").write_text(json.dumps({**places, **job}))
    subprocess.run([sys.executable, "-P", str(SCRIPT), str(folder)], check=True)
    found: dict[str, object] = json.loads((folder / "said.json").read_text())
    del found["free"]
    return found


def test_it_tells_what_came_of_it(tmp_path: Path) -> None:
    assert said(tmp_path, step="export", wrong="") == {"made": 2.5}
    failed = {"failed": "export", "why": "what was"}
    assert said(tmp_path, step="export", wrong="refused") == failed
    why = "ValueError: what was"
    assert said(tmp_path, step="export", wrong="error") == {"failed": "export", "why": why}
    why = "ValueError: could not convert string to float: 'x'"
    assert said(tmp_path, "x", step="export") == {"failed": "load", "why": why}


def test_it_answers_every_run(tmp_path: Path) -> None:
    given = {"0 0": np.ones(3), "0 1": np.zeros(2), "1 0": np.full(3, 2.0), "1 1": np.ones(2)}
    np.savez(tmp_path / "given.npz", allow_pickle=False, **given)
    assert said(tmp_path, step="answer", runs=2, inputs=2) == {"outputs": 2}
    with np.load(tmp_path / "answers.npz") as made:
        assert {name: made[name].tolist() for name in made.files} == {
            name: (2.5 * array).tolist() for name, array in given.items()
        }


def test_the_line_that_says_it() -> None:
    interpreter = RuntimeError(
        "The following operation failed in the TorchScript interpreter.\nTraceback\n  x\n"
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied\n"
    )
    assert confined.told_by(interpreter, KeyError).endswith("shapes cannot be multiplied")
    assert confined.told_by(ValueError("first\nsecond"), KeyError) == "ValueError: first"
    assert confined.told_by(ValueError("what was given"), ValueError) == "what was given"
    assert confined.told_by(ValueError(), KeyError) == "ValueError: "


def test_scripts_bring_no_compiler_along() -> None:
    """What they import of this package is free of TVM."""
    scripts = [p for p in SCRIPT.parent.rglob("*.py") if "\ndef answer(" in p.read_text()]
    assert len(scripts) > 1
    loads = f"import sys; sys.path[:0] = [{str(SCRIPT.parent)!r}]; import confined; "
    for path in scripts:
        ask = f"confined.script({str(path)!r}); print('tvm' in sys.modules, 'numpy' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-P", "-c", loads + "sys.path.pop(0); " + ask],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.split() == ["False", "False"], path
