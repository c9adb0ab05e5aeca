"""compiler/runtime: the C ABI as other programs use it, the pool, and the C under sanitizers."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from compiler import build
from compiler.abi import RuntimeFault, Session

HERE = Path(__file__).parent
NATIVE = HERE / "native"
X = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
Y = np.array([1, 2, 3, 4], np.int32)
SCALED = 2 * X + np.arange(6, dtype=np.float32).reshape(2, 3)

Artifact = Callable[..., Path]
needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="the sanitizers are gcc's")


def output_of(command: list[str | Path], **environment: str) -> str:
    """Its stdout; its exit status must be 0."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def compile_c(compiler: list[str], program: Path, sources: list[Path], *flags: str) -> Path:
    command = [*compiler, *build.C_FLAGS, f"-I{build.RUNTIME}", *map(str, sources), *flags]
    output_of([*command, *build.LIBC, "-o", program])
    return program


def zig_cc(target: str) -> list[str]:
    return [sys.executable, "-m", "ziglang", "cc", "-target", target]


# ---- the exports ----


def test_the_header_and_the_export_list_agree() -> None:
    declared = re.findall(r"^DLR_DLL .*?(\w+)\(", build.HEADER.read_text(), re.MULTILINE)
    exported = re.findall(r"^    (\w+);", (build.RUNTIME / "exports.map").read_text(), re.MULTILINE)
    assert sorted(declared) == sorted(exported)
    assert len(exported) == 37


# ---- loading ----


def load(folder: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(folder / "libdlr.so"))
    library.DLRGetLastError.restype = ctypes.c_char_p
    return library


def create(folder: Path, path: str | Path, device: int = 1) -> str:
    """The error text of CreateDLRModel, or "" where it succeeds."""
    library, handle = load(folder), ctypes.c_void_p()
    code = library.CreateDLRModel(ctypes.byref(handle), os.fsencode(path), device, 0)
    assert code == (0 if handle.value else -1)
    text: bytes = b"" if code == 0 else library.DLRGetLastError()
    assert library.DeleteDLRModel(ctypes.byref(handle)) == 0
    return text.decode("ascii")


def test_a_path_is_a_folder_or_a_list(affine: Path, times: Path, tmp_path: Path) -> None:
    library, meta = affine / "compiled.so", affine / "compiled.meta"
    assert create(affine, affine) == ""
    assert create(affine, f"{affine}/") == ""
    assert create(affine, library) == ""
    assert create(affine, f"{meta}:{library}:{affine / 'libdlr.so'}") == ""
    assert create(affine, f"{tmp_path}:{affine}") == ""
    assert create(affine, f"{affine}:{times}").startswith("Found multiple model lib files: ")
    assert create(affine, tmp_path / "né") == (
        f"Unable to determine backend from path: '{tmp_path}/n??'. There is no compiled.so."
    )


def test_a_library_that_is_no_model_is_refused(affine: Path, tmp_path: Path) -> None:
    (tmp_path / "compiled.so").write_bytes(b"not a library")
    assert create(affine, tmp_path).startswith("Cannot load the model library: ")
    shutil.copy(affine / "libdlr.so", tmp_path / "compiled.so")
    assert create(affine, tmp_path).endswith(
        "compiled.so is not a compiled model: it has no symbol neoc_model."
    )


def test_the_version_is_checked(affine: Path, make_artifact: Artifact) -> None:
    text = create(affine, make_artifact("affine", VERSION="9"))
    assert "has model version 9, but this libdlr.so reads version 6" in text


def test_the_cpu_is_checked(affine: Path, make_artifact: Artifact) -> None:
    assert create(affine, make_artifact("affine", FEATURES='"sse2 fxsr"')) == ""
    text = create(affine, make_artifact("affine", FEATURES='"sse2 sse2000"'))
    assert "needs a CPU with sse2000, which this machine lacks" in text


@pytest.mark.parametrize(
    ("meta", "device", "text"),
    [
        ('{"Requirements": {"TargetDeviceType": "cpu"}}', 1, ""),
        (None, 1, ""),
        ("not json", 1, ""),
        ('{"Model": {"a": [1.5e3, null, true, "\\""]}, "Requirements": {}} ', 1, ""),
        (None, 2, 'Compiled model requires device type "cpu" but user gave "gpu".'),
        (
            '{"Requirements": {"TargetDevice": "x", "TargetDeviceType": "gpu"}}', 1,
            'Compiled model requires device type "gpu" but user gave "cpu".',
        ),
        (
            '{"Requirements": {"TargetDeviceType": "opencl"}}', 1,
            'Compiled model requires device type "opencl" but user gave "cpu".',
        ),
    ],
)  # fmt: skip
def test_the_device_type_is_checked(
    affine: Path, tmp_path: Path, meta: str | None, device: int, text: str
) -> None:
    shutil.copy(affine / "compiled.so", tmp_path)
    if meta is not None:
        (tmp_path / "compiled.meta").write_text(meta)
    assert create(affine, tmp_path, device) == text


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        (b'{"Requirements": {"TargetDeviceType": "cpu"}}', 1),
        (b'{"Requirements": {"TargetDeviceType": "gpu"}}', 2),
        (b'{"Requirements": {"TargetDeviceType": "opencl"}}', 4),
        (b'{"Requirements": {}}', b"TargetDeviceType was not found in metadata!"),
        (b'{"Requirements": {"TargetDeviceType": "cpu"}', b"No metadata file was found!"),
        (b'{"a":' * 5000, b"No metadata file was found!"),
        (b"", b"No metadata file was found!"),
        (None, b"No metadata file was found!"),
    ],
)
def test_the_device_type_is_told(
    affine: Path, tmp_path: Path, meta: bytes | None, expected: int | bytes
) -> None:
    if meta is not None:
        (tmp_path / "compiled.meta").write_bytes(meta)
    library = load(affine)
    got = library.GetDLRDeviceType(os.fsencode(tmp_path))
    assert (library.DLRGetLastError() if got == -1 else got) == expected


# ---- CPUs ----


@pytest.fixture(scope="module")
def cpus(tmp_path_factory: pytest.TempPathFactory, zig: str) -> ctypes.CDLL:
    path = tmp_path_factory.mktemp("cpus") / "cpus.so"
    return ctypes.CDLL(str(compile_c(zig_cc(zig), path, [build.RUNTIME / "cpus.c"], "-shared")))


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("", {}, 0),
        ("0::/", {"cpu.max": "max 100000"}, 0),
        ("0::/", {"cpu.max": "150000 100000"}, 2),
        ("0::/a/b", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),
        ("0::/a/b", {"a/cpu.max": "100000 100000", "a/b/cpu.max": "400000 100000"}, 1),
        ("0::/not/mounted", {"cpu.max": "200000 100000"}, 2),
        ("4:memory:/\n3:cpu,cpuacct:/x", {"cpu/x/cpu.cfs_quota_us": "250000",
                                          "cpu/x/cpu.cfs_period_us": "100000"}, 3),
        ("3:cpuacct,cpu:/", {"cpu,cpuacct/cpu.cfs_quota_us": "50000",
                             "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 1),
        ("3:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 0),
        ("3:cpuset:/", {"cpu/cpu.cfs_quota_us": "1", "cpu/cpu.cfs_period_us": "1"}, 0),
    ],
)  # fmt: skip
def test_the_quota_is_rounded_up(
    cpus: ctypes.CDLL, tmp_path: Path, groups: str, files: dict[str, str], expected: int
) -> None:
    tree = {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{k}": v for k, v in files.items()}}
    for name, text in tree.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    assert cpus.cpus_by_quota(os.fsencode(tmp_path)) == expected


@pytest.mark.parametrize(
    ("features", "missing"),
    [
        ("avx2 fma", None), ("", None), ("fma4", "fma4"), ("avx2 avx512f fma", "avx512f"),
        ("avx", "avx"),
    ],
)  # fmt: skip
def test_features_are_whole_words(
    cpus: ctypes.CDLL, tmp_path: Path, features: str, missing: str | None
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nflags\t\t: fma avx2 sse4_1\nbugs\t:\n")
    text = ctypes.create_string_buffer(64)
    cpus.cpu_has.restype = ctypes.c_bool
    has = cpus.cpu_has(os.fsencode(tmp_path), features.encode(), text, len(text))
    assert (None if has else text.value.decode()) == missing
    assert cpus.cpu_has(b"/nowhere", features.encode(), text, len(text))


def test_the_number_of_threads_is_the_callers_or_the_environments(
    affine: Path, zig: str, tmp_path: Path
) -> None:
    program = build.link_bench(zig, tmp_path)

    def threads(asked: int, **environment: str) -> int:
        line = output_of([program, affine, "0", str(asked)], **environment)
        found = re.search(r'"threads": (\d+)', line)
        assert found
        return int(found[1])

    assert threads(3) == 3
    assert threads(0, TVM_NUM_THREADS="4") == 4
    assert threads(2, TVM_NUM_THREADS="4", TVM_BIND_THREADS="1") == 2
    assert threads(0, TVM_NUM_THREADS="") <= len(os.sched_getaffinity(0))


# ---- other clients ----


def run_client(program: Path, folder: Path, scratch: Path) -> tuple[np.ndarray, np.ndarray]:
    X.tofile(scratch / "x.raw")
    Y.tofile(scratch / "y.raw")
    output_of([program, folder, scratch, scratch / "x.raw", scratch / "y.raw"])
    scaled = np.fromfile(scratch / "0.raw", np.float32).reshape(2, 3)
    return scaled, np.fromfile(scratch / "1.raw", np.int32)


def test_a_c_program_runs_the_model(affine: Path, zig: str, tmp_path: Path) -> None:
    library = str(affine / "libdlr.so")
    program = compile_c(
        zig_cc(zig), tmp_path / "client", [HERE / "client.c"], library, f"-Wl,-rpath,{affine}"
    )
    scaled, total = run_client(program, affine, tmp_path)
    np.testing.assert_array_equal(scaled, SCALED)
    assert total == 10


STOCK = """
import sys, json, socket
def refuse(*_): raise SystemExit("the client went to the network")
socket.socket.connect = socket.getaddrinfo = refuse
import numpy as np
from dlr import DLRModel
model = DLRModel(sys.argv[1], "cpu")
x = np.arange(1, 7, dtype="float32").reshape(2, 3)
scaled, total = model.run({"x": x, "y": np.array([1, 2, 3, 4], "int32")})
print(json.dumps([
    scaled.tolist(), int(total), model.get_input_names(), model.get_output_names(),
    model.get_input_dtypes(), model.get_output_dtypes(), model.get_version(),
    model.has_metadata(), model.get_input("x").tolist(),
]))
try:
    model.run({"y": np.zeros(3, "int32")})
except Exception as exc:
    print(exc)
"""


@pytest.mark.slow
def test_the_stock_dlr_client_runs_the_model(affine: Path, dlr_python: Path) -> None:
    lines = output_of([dlr_python, "-I", "-W", "ignore", "-c", STOCK, affine]).splitlines()
    results, error = [line for line in lines if line[0] in "[M"][-2:]
    assert results == (
        f'[{SCALED.tolist()}, 10, ["x", "y"], ["scaled", "total"], ["float32", "int32"], '
        f'["float32", "int32"], "1.10.0", true, {X.tolist()}]'
    )
    assert error == "Mismatch found in input data size. Value read: 3, Expected: 4"


# ---- the C itself ----

POOL = [
    NATIVE / "pool_test.c",
    *(build.RUNTIME / f"{name}.c" for name in ("pool", "cpus", "workspace")),
]
ABI = [NATIVE / "abi_test.c", *(build.RUNTIME / name for name in build.LIBRARY_SOURCES)]
ADDRESS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def test_the_whole_abi_without_allocation_per_run(
    affine: Path, times: Path, zig: str, tmp_path: Path
) -> None:
    wrap = ("-DCOUNT", "-Wl,--wrap=malloc", "-Wl,--wrap=posix_memalign")
    output_of([compile_c(zig_cc(zig), tmp_path / "abi", ABI, *wrap), affine, times])


@needs_gcc
def test_the_whole_abi_under_the_address_sanitizer(
    affine: Path, times: Path, tmp_path: Path
) -> None:
    output_of([compile_c(["gcc"], tmp_path / "abi", ABI, *ADDRESS), affine, times])


@needs_gcc
def test_any_number_of_rows_under_the_address_sanitizer(rows: Path, tmp_path: Path) -> None:
    program = [NATIVE / "rows_test.c", *ABI[1:]]
    output_of([compile_c(["gcc"], tmp_path / "rows", program, *ADDRESS), rows])


ANY_ROWS = """
import sys
import numpy as np
from dlr import DLRModel
model = DLRModel(sys.argv[1], "cpu")
for rows in (1, 7, 1000, 2):
    x = np.full((rows, 3), np.nan, "float32")
    x[:, 0] = 1
    got, counts = model.run(x)
    assert got.shape == (rows, 2) and (got[:, 0] == 2).all()
    assert counts.shape == (rows,) and counts.dtype == "int64" and (counts == 2).all()
    if sys.argv[2] == "1":
        few, _ = model.run({"data": x[:, :1].copy()})
        assert (few == got).all()
"""


@pytest.mark.parametrize("fewer", ["0", "1"])
def test_the_stock_client_gives_any_number_of_rows(
    make_artifact: Artifact, dlr_python: Path, fewer: str
) -> None:
    """By the backend relayvm or treelite, to its eyes."""
    folder = make_artifact("rows", FEWER=fewer)
    output_of([dlr_python, "-I", "-W", "ignore", "-c", ANY_ROWS, folder, fewer])


def test_every_column_is_needed_where_none_may_be_missing(make_artifact: Artifact) -> None:
    with Session(make_artifact("rows", FEWER="0")) as session:
        wanted = "dimension 1. Value read: 2, Expected: 3$"
        with pytest.raises(RuntimeFault, match=wanted):
            session.run({"data": np.ones((5, 2), np.float32)})


@needs_gcc
def test_the_pool_under_the_thread_sanitizer(tmp_path: Path) -> None:
    # gcc warns that this sanitizer does not model fences: the pool's only order sleeping.
    output_of([compile_c(["gcc"], tmp_path / "pool", POOL, "-fsanitize=thread", "-Wno-tsan")])


@needs_gcc
def test_the_pool_survives_fork_under_the_address_sanitizer(tmp_path: Path) -> None:
    output_of([compile_c(["gcc"], tmp_path / "pool", POOL, *ADDRESS), "fork"])


# ---- a kernel that TVM compiled ----

TVM = """
import sys
import tvm
from tvm import te
data = te.placeholder((3072,), name="data")
out = te.compute((3072,), lambda i: data[i] * 2 + 1, name="out")
function = te.create_prim_func([data, out]).with_attr("global_symbol", "rows")
schedule = tvm.s_tir.Schedule(function)
rows, row = schedule.split(*schedule.get_loops(schedule.get_sblock("out")), [None, 48])
schedule.parallel(rows)
schedule.vectorize(row)
target = tvm.target.Target({"kind": "llvm", "mtriple": "x86_64-linux-gnu", "mcpu": "x86-64"})
tvm.compile(schedule.mod, target=target).mod.write_to_file(sys.argv[1])
"""
ROWS_PLAN = """
#include "model.h"
int __tvm_ffi_rows(void *self, const void *args, int32_t n, void *ret);
static const int64_t shape[] = {64, 48};
static const neoc_tensor data = {"data", "float32", 2, shape, 0};
static const neoc_tensor out = {"out", "float32", 2, shape, 1};
static const neoc_buffer buffers[] = {{NEOC_ARENA, 2, 32, 0, 3072},
                                      {NEOC_ARENA, 2, 32, 12288, LENGTH}};
static const int32_t arguments[] = {0, 1};
static const neoc_step step = {__tvm_ffi_rows, "rows", 0, 2, 0};
const neoc_model_t neoc_model = {NEOC_MODEL_VERSION, 1, 1, 2, 1, &data, &out, buffers, &step,
                                 arguments, 24576, neoc_constants, neoc_bind, neoc_error,
                                 0, 0, 0, 0, 0};
"""


@pytest.fixture(scope="module")
def doubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tvm") / "rows.o"
    output_of([sys.executable, "-W", "ignore", "-c", TVM, path])
    return path


def link_rows(doubled: Path, zig: str, folder: Path, length: int) -> Path:
    (folder / "empty").touch()
    plan = ROWS_PLAN.replace("LENGTH", str(length))
    build.link_model([doubled], plan, folder / "empty", zig, folder)
    build.link_runtime(zig, folder)
    return folder


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_parallel_kernel_of_tvm_runs(
    doubled: Path, zig: str, tmp_path: Path, threads: int
) -> None:
    data = np.random.default_rng(0).random((64, 48), np.float32)
    with Session(link_rows(doubled, zig, tmp_path, 3072)) as session:
        session.set_threads(threads)
        for _ in range(20):
            np.testing.assert_array_equal(session.run({"data": data})["out"], data * 2 + 1)


def test_what_a_kernel_of_tvm_refuses_is_told(doubled: Path, zig: str, tmp_path: Path) -> None:
    data = np.zeros((64, 48), np.float32)
    with Session(link_rows(doubled, zig, tmp_path, 3071)) as session:
        with pytest.raises(RuntimeFault, match=r"^Kernel rows failed: ValueError: .*3072"):
            session.run({"data": data})
