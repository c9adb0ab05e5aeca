"""The repository's own rules: where files lie, what they are called, how large they may grow."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("compiler", "frontends", "targets", "benchmarks")
MODULE_LINES, FUNCTION_LINES = 500, 70
VAGUE = {"utils", "util", "helpers", "common", "manager", "base", "core", "misc"}

# module -> the test file that covers it, where that is not its mirror image.
COVERED_BY = {
    # Rows of data: what must hold for them holds for all rows together.
    "targets/aws_cpu.py": "tests/targets/test_targets.py",
    "targets/aws_gpu.py": "tests/targets/test_targets.py",
    "targets/edge.py": "tests/targets/test_targets.py",
    "targets/isa.py": "tests/targets/test_targets.py",
    "targets/profile.py": "tests/targets/test_targets.py",
    # Frozen values that two stages exchange.
    "compiler/lowered.py": "tests/compiler/test_pipeline.py",
    "compiler/arena.py": "tests/compiler/test_plan.py",
    "compiler/service/jobs.py": "tests/compiler/service/test_store.py",
    # What everything of the service goes through.
    "compiler/service/faults.py": "tests/compiler/service/test_wire.py",
    # A stand-in for the compiler, which every trial runs.
    "benchmarks/service/quick.py": "tests/benchmarks/service/test_faults.py",
    # Definitions: each is judged by the network that is exported of it.
    "benchmarks/nets/classic.py": "tests/benchmarks/nets/test_export.py",
    "benchmarks/nets/layers.py": "tests/benchmarks/nets/test_export.py",
    "benchmarks/nets/mobile.py": "tests/benchmarks/nets/test_export.py",
    "benchmarks/nets/residual.py": "tests/benchmarks/nets/test_export.py",
    "benchmarks/nets/sequence.py": "tests/benchmarks/nets/test_export.py",
    "benchmarks/environments.py": "tests/benchmarks/test_suite.py",
    "benchmarks/zoo/families.py": "tests/benchmarks/zoo/test_zoo.py",
    "benchmarks/zoo/forests.py": "tests/benchmarks/zoo/test_zoo.py",
    "benchmarks/zoo/sample.py": "tests/benchmarks/zoo/test_zoo.py",
    # Each for an environment of its own; their models are judged by the zoo.
    "benchmarks/zoo/boosters.py": "tests/benchmarks/zoo/test_zoo.py",
    "benchmarks/zoo/gluon.py": "tests/benchmarks/zoo/test_zoo.py",
    "benchmarks/zoo/keras_nets.py": "tests/benchmarks/zoo/test_zoo.py",
    "benchmarks/zoo/lite.py": "tests/benchmarks/zoo/test_zoo.py",
    "benchmarks/zoo/torch_nets.py": "tests/benchmarks/zoo/test_zoo.py",
    # Rows of operators: what holds for their graphs holds for them.
    "benchmarks/fuzz/elements.py": "tests/benchmarks/fuzz/test_draw.py",
    "benchmarks/fuzz/images.py": "tests/benchmarks/fuzz/test_draw.py",
    "benchmarks/fuzz/moves.py": "tests/benchmarks/fuzz/test_draw.py",
    "benchmarks/fuzz/products.py": "tests/benchmarks/fuzz/test_draw.py",
    "benchmarks/fuzz/quantised.py": "tests/benchmarks/fuzz/test_draw.py",
    "benchmarks/fuzz/flow.py": "tests/benchmarks/fuzz/test_draw.py",
    # Rows of operators: each is judged by MXNet's own answers.
    "frontends/mxnet/ops/elementwise.py": "tests/frontends/mxnet/ops/test_ops.py",
    "frontends/mxnet/ops/index.py": "tests/frontends/mxnet/ops/test_ops.py",
    "frontends/mxnet/ops/norm.py": "tests/frontends/mxnet/ops/test_ops.py",
    "frontends/mxnet/ops/recurrent.py": "tests/frontends/mxnet/ops/test_ops.py",
    "frontends/mxnet/ops/reduce.py": "tests/frontends/mxnet/ops/test_ops.py",
    "frontends/mxnet/ops/shape.py": "tests/frontends/mxnet/ops/test_ops.py",
    "frontends/mxnet/ops/window.py": "tests/frontends/mxnet/ops/test_ops.py",
    # Parts of their neighbours, which every test of those goes through.
    "compiler/kernels/winograd_stages.py": "tests/compiler/kernels/test_winograd.py",
    "frontends/pytorch/export.py": "tests/frontends/pytorch/test_pytorch.py",
    "frontends/exported.py": "tests/frontends/pytorch/test_pytorch.py",
    "frontends/pytorch/symbolics.py": "tests/frontends/pytorch/test_pytorch.py",
    "frontends/tensorflow/handlers.py": "tests/frontends/tensorflow/test_tensorflow.py",
    "frontends/tensorflow/export.py": "tests/frontends/tensorflow/test_tensorflow.py",
    "frontends/keras/export.py": "tests/frontends/tensorflow/test_tensorflow.py",
    "frontends/tflite/export.py": "tests/frontends/tensorflow/test_tensorflow.py",
    "frontends/tflite/floats.py": "tests/frontends/tensorflow/test_tensorflow.py",
    "frontends/nodes.py": "tests/frontends/test_forest.py",
    "frontends/rows.py": "tests/frontends/sklearn/test_sklearn.py",
    # Steps of one conversion, whose answers are scikit-learn's.
    "frontends/sklearn/ensembles.py": "tests/frontends/sklearn/test_convert.py",
    "frontends/sklearn/examples.py": "tests/frontends/sklearn/test_convert.py",
    "frontends/sklearn/graph.py": "tests/frontends/sklearn/test_convert.py",
    "frontends/sklearn/outputs.py": "tests/frontends/sklearn/test_convert.py",
    "frontends/sklearn/repairs.py": "tests/frontends/sklearn/test_convert.py",
    "frontends/sklearn/trees.py": "tests/frontends/sklearn/test_convert.py",
    "frontends/onnx/builder.py": "tests/frontends/onnx/test_convert.py",
    "frontends/onnx/ops/einsum.py": "tests/frontends/onnx/ops/test_linear.py",
    "compiler/kernels/cells.py": "tests/compiler/kernels/test_recurrent.py",
    "frontends/onnx/ops/window.py": "tests/frontends/onnx/ops/test_pool.py",
    # Rules for values of unknown size: judged in graphs, where they meet each other.
    "frontends/onnx/padded/compute.py": "tests/frontends/onnx/test_padded.py",
    "frontends/onnx/padded/lookups.py": "tests/frontends/onnx/test_padded.py",
    "frontends/onnx/padded/shapes.py": "tests/frontends/onnx/test_padded.py",
    "frontends/onnx/padded/value.py": "tests/frontends/onnx/test_padded.py",
}
# path -> why it may be longer.
LONGER: dict[str, str] = {}
# path -> why it may be called as a module of the standard library is.
STANDARD_NAMES = {"targets/profile.py": "the word of the field; the library's profiler is unused"}


def modules() -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((ROOT / room).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


every_module = pytest.mark.parametrize("path", list(modules()), ids=relative)


@every_module
def test_a_module_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{relative(path)} has no docstring"


@every_module
def test_a_module_has_its_tests(path: Path) -> None:
    if path.name in ("__init__.py", "__main__.py"):
        return  # names and wiring: used by every other test
    mirror = f"tests/{relative(path.parent)}/test_{path.name}"
    expected = COVERED_BY.get(relative(path), mirror)
    assert (ROOT / expected).is_file(), f"{relative(path)} needs {expected}"


@every_module
def test_sizes(path: Path) -> None:
    source = path.read_text()
    reason = LONGER.get(relative(path))
    assert reason or source.count("\n") <= MODULE_LINES, f"{relative(path)} is too long"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert reason or lines <= FUNCTION_LINES, f"{node.name} is too long"


@every_module
def test_names(path: Path) -> None:
    name = path.stem
    assert name not in VAGUE, f"{relative(path)}: name it after what it holds"
    standard = not name.startswith("__") and name in sys.stdlib_module_names
    assert not standard or relative(path) in STANDARD_NAMES


def test_the_exceptions_are_still_needed() -> None:
    for path in (*COVERED_BY, *COVERED_BY.values(), *LONGER, *STANDARD_NAMES):
        assert (ROOT / path).is_file(), f"{path} is gone: drop its exception"
    for path in LONGER:
        assert (ROOT / path).read_text().count("\n") > 300


def test_no_package_among_the_tests() -> None:
    """tests/compiler/__init__.py would shadow the package under test."""
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_only_c_goes_into_the_artifact() -> None:
    runtime = ROOT / "compiler" / "runtime"
    assert list(runtime.glob("*.c"))
    assert not list(runtime.rglob("*.py"))


def test_no_unfinished_business() -> None:
    marks = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
    sources = [*modules(), *(ROOT / "tests").rglob("*.py"), *(ROOT / "compiler").rglob("*.[ch]")]
    found = [relative(path) for path in sources if marks.search(path.read_text())]
    assert not found


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    for requirement in (*project["dependencies"], *(item for extra in extras for item in extra)):
        ours = requirement.startswith("neoc[")  # an extra within an extra
        assert ours or "==" in requirement, f"{requirement} is not pinned"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in the wheel, built from the checkout without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(ROOT)], check=True)
    [built] = folder.glob("*.whl")
    return zipfile.ZipFile(built).namelist()


def test_the_wheel_holds_three_packages_and_no_more(wheel: list[str]) -> None:
    top = {name.split("/")[0] for name in wheel}
    assert {name for name in top if not name.endswith(".dist-info")} == set(ROOMS) - {"benchmarks"}


def test_the_wheel_holds_the_runtimes_sources_and_the_licence(wheel: list[str]) -> None:
    sources = {relative(path) for path in (ROOT / "compiler" / "runtime").iterdir()}
    assert sources <= set(wheel)
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
