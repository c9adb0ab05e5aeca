"""compiler/pipeline.py: every call of main ends in a kernel or a view, whatever the network."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import targets
from compiler import dump, kernels, pipeline
from compiler.kernels.operators import VIEWS
from compiler.kernels.workload import operator_of
from tests.compiler import nets


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "keep"
    dump.start(folder)
    yield folder
    dump.start(None)


def test_a_phase_has_a_name_of_its_own() -> None:
    phases = pipeline.phases(targets.get(nets.DEVICE))
    names = [phase.name for phase in phases]
    assert len(set(names)) == len(names)
    assert all(phase.passes for phase in phases)


def test_main_calls_kernels_and_views_only(tmp_path: Path) -> None:
    lowered = nets.lower(nets.load(nets.net(), tmp_path))
    called = set()
    for binding in lowered.main.body.blocks[0].bindings[:-1]:
        operator = binding.value.op
        if hasattr(operator, "name_hint"):
            called.add(str(operator.name_hint))
        else:
            assert operator_of(binding.value) in VIEWS
    assert called == set(lowered.kernels)


def test_what_belongs_together_is_one_kernel(tmp_path: Path) -> None:
    lowered = nets.lower(nets.load(nets.net(), tmp_path))
    [conv] = [
        kernel for kernel in lowered.kernels.values() if kernel.schedule.template.name == "conv2d"
    ]
    operators = [operator_of(call) for _, call in conv.work.calls]
    assert operators[0] == "neoc.conv2d" and "relax.nn.relu" in operators


@pytest.mark.parametrize("device", ["ml_c4", "ml_c5"])
def test_the_report_names_template_and_point(tmp_path: Path, device: str) -> None:
    report = nets.lower(nets.load(nets.net(), tmp_path), device).report()
    templates = {template.name for family in kernels.FAMILIES for template in family}
    assert json.loads(json.dumps(report)) == report
    assert all(row["template"] in templates and row["name"] for row in report)


def test_the_report_names_the_layers_of_every_call(tmp_path: Path) -> None:
    model = nets.load(nets.net(), tmp_path)
    calls = {str(row["name"]): row["calls"] for row in nets.lower(model).report()}
    [conv] = [found for name, found in calls.items() if name.startswith("conv2d")]
    assert conv == [["c", "y"]]


def test_every_step_can_be_kept(tmp_path: Path, keep: Path) -> None:
    nets.lower(nets.load(nets.net(), tmp_path))
    names = [path.name for path in sorted(keep.iterdir())]
    phases = ["imported", *(p.name for p in pipeline.phases(targets.get(nets.DEVICE)))]
    relax = [f"{n:02d}-relax-{phase}.py" for n, phase in enumerate(phases, 1)]
    assert names == [*relax, f"{len(phases) + 1:02d}-kernels.tir.py"]
    assert all(path.read_text() for path in keep.iterdir())
