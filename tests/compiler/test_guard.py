import subprocess
import sys
from pathlib import Path


def test_without_input_the_guard_cleans_up(tmp_path: Path) -> None:
    """As when the parent died before it told the task, or another guard died."""
    folder = tmp_path / "job"
    (folder / "work").mkdir(parents=True)
    left = tmp_path / ".net.tar.gz.t0"
    left.write_bytes(b"half")
    uri = tmp_path / "net.tar.gz"
    (folder / "upload.json").write_text(
        f'{{"uri": "{uri}", "token": "t0", "endpoint_url": null, "began": 0}}'
    )
    ended = subprocess.run(
        [sys.executable, "-m", "compiler.guard", "1", str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=Path(__file__).parents[2],
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    assert not list(tmp_path.iterdir())
