"""What the process of torch may do, and how it tells what torch says; without torch."""

import socket
import subprocess
import sys
from pathlib import Path

from frontends.pytorch import export

SCRIPT = Path(export.__file__)
TRIES = """
import importlib.util, os, socket, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("export", sys.argv[1])
export = importlib.util.module_from_spec(spec)
spec.loader.exec_module(export)
folder, model, other = map(Path, sys.argv[2:])
export.bound(model)
print(export.confine(folder, model))
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


def test_the_line_that_says_it() -> None:
    interpreter = RuntimeError(
        "The following operation failed in the TorchScript interpreter.\nTraceback\n  x\n"
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied\n"
    )
    assert export._told_by(interpreter).endswith("shapes cannot be multiplied")
    assert export._told_by(ValueError("first\nsecond")) == "ValueError: first"
    assert export._told_by(export.Refused("what was given")) == "what was given"
    assert export._told_by(ValueError()) == "ValueError: "


def test_what_the_process_needs_is_in_its_own_file() -> None:
    """It is run by its path: it can import nothing of the package."""
    assert "from frontends" not in SCRIPT.read_text()
