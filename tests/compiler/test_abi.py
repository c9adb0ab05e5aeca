"""compiler/abi.py: what Python sees of an artifact."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compiler import abi, build
from compiler.abi import RuntimeFault, Session, Tensor

X = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
Y = np.array([1, 2, 3, 4], np.int32)
SCALED = 2 * X + np.arange(6, dtype=np.float32).reshape(2, 3)


def test_session_tells_inputs_and_outputs(affine: Path) -> None:
    with Session(affine) as session:
        assert session.inputs == (Tensor("x", (2, 3), "float32"), Tensor("y", (4,), "int32"))
        assert session.outputs == (
            Tensor("scaled", (2, 3), "float32"),
            Tensor("total", (), "int32"),
        )


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
def test_session_runs(affine: Path, threads: int) -> None:
    with Session(affine) as session:
        session.set_threads(threads)
        for _ in range(3):
            got = session.run({"x": X, "y": Y})
            np.testing.assert_array_equal(got["scaled"], SCALED)
            assert got["total"].shape == () and got["total"] == 10
        session.set_threads(0)


def test_session_closes_twice(affine: Path) -> None:
    session = Session(affine)
    session.close()
    session.close()
    with pytest.raises(RuntimeFault, match="model is nullptr, create it first"):
        session.run({"x": X, "y": Y})


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"x": X}, "No data is given for input y"),
        ({"x": X, "y": Y, "z": Y}, "z is not a valid input name"),
        ({"x": X, "y": Y.astype(np.int64)}, "Input y must be int32, not int64"),
        ({"x": X, "y": Y[:3]}, "Mismatch found in input data size. Value read: 3, Expected: 4"),
        ({"x": X * np.nan, "y": Y}, "Kernel affine failed: ValueError: an element of x is not"),
    ],
)
def test_a_bad_run_says_why(affine: Path, inputs: dict[str, abi.Array], text: str) -> None:
    with Session(affine) as session, pytest.raises(RuntimeFault) as caught:
        session.run(inputs)
    assert text in str(caught.value)


def test_a_missing_library_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFault, match=r"Cannot load .*libdlr\.so"):
        Session(tmp_path)


@pytest.mark.parametrize("name", ["x", "file", "a/b:0", "naïve"])
def test_arrays_of_any_name_are_kept(tmp_path: Path, name: str) -> None:
    abi.save(tmp_path / "arrays.npz", {name: X})
    loaded = abi.load(tmp_path / "arrays.npz")
    assert list(loaded) == [name]
    np.testing.assert_array_equal(loaded[name], X)


def test_a_run_apart_gives_the_same(affine: Path) -> None:
    for got in abi.run_apart(affine, [{"x": X, "y": Y}] * 2):
        np.testing.assert_array_equal(got["scaled"], SCALED)
        assert got["total"] == 10


def test_a_run_apart_passes_the_error_on(affine: Path) -> None:
    with pytest.raises(RuntimeFault, match=r"^No data is given for input y\.$"):
        abi.run_apart(affine, [{"x": X}])


def test_a_run_apart_that_does_not_end_is_ended(affine: Path) -> None:
    with pytest.raises(RuntimeFault, match=r"did not end within 0\.001 s"):
        abi.run_apart(affine, [{"x": X, "y": Y}], limit_s=0.001)


def test_a_crash_is_a_fault_of_its_own(affine: Path, zig: str, tmp_path: Path) -> None:
    source = (
        "#include <signal.h>\n__attribute__((constructor)) static void f(void) { raise(SIGILL); }"
    )
    (tmp_path / "crash.c").write_text(source)
    command = [sys.executable, "-m", "ziglang", "cc", "-target", zig, *build.C_FLAGS, "-shared"]
    library = tmp_path / "compiled.so"
    subprocess.run([*command, tmp_path / "crash.c", "-o", library], check=True, timeout=120)
    (tmp_path / "libdlr.so").symlink_to(affine / "libdlr.so")
    with pytest.raises(RuntimeFault, match="crashed with SIGILL"):
        abi.run_apart(tmp_path, [{"x": X, "y": Y}])


def test_the_command_wants_pairs_of_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert abi.main([]) == abi.main(["folder", "in", "out", "in"]) == 2
    assert "FOLDER IN.npz OUT.npz" in capsys.readouterr().err
