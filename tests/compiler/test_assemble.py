"""compiler/assemble.py: libraries in a folder, and a twin of them for a CPU that is not here."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import targets
from compiler import abi, assemble, codegen, plan
from compiler.lowered import Lowered
from compiler.plan import Plan
from frontends.model import Model
from targets import Profile
from tests.compiler import nets

MEMBERS = {"compiled.so", "libdlr.so"}


@dataclass(frozen=True)
class Stages:
    """What the driver has when it comes to linking."""

    model: Model
    lowered: Lowered
    program: Plan
    objects: list[Path]
    profile: Profile
    folder: Path

    def link(self) -> Path:
        signature, into = self.model.signature, self.folder / "artifact"
        return assemble.link(self.objects, self.program, signature, self.profile, into)

    def runnable(self, library: Path) -> Path:
        arguments = (self.lowered, self.program, self.model.signature, self.profile)
        return assemble.runnable(library, *arguments)


def stages(device: str, folder: Path) -> Stages:
    model = nets.load(nets.net(), folder)
    profile = targets.get(device)
    lowered = nets.lower(model, device)
    objects = codegen.compile_kernels(lowered.kernels, profile, folder)
    return Stages(model, lowered, plan.make(lowered, folder), objects, profile, folder)


def runs(folder: Path) -> bool:
    """Whether the outputs fit each other: flat is the sigmoid of y, p is the input."""
    x = np.linspace(-1, 1, 128, dtype=np.float32).reshape(1, 8, 4, 4)
    [got] = abi.run_apart(folder, [{"x": x}])
    sigmoid = 1 / (1 + np.exp(-got["y"].astype(np.float64).reshape(1, 128)))
    return bool(np.allclose(got["flat"], sigmoid, atol=1e-5) and (got["p"] == x).all())


def features(folder: Path) -> str:
    """The sets that the library says it needs."""
    content = (folder / "compiled.so").read_bytes()
    found = [text for text in content.split(b"\0") if b"avx2" in text and text.isascii()]
    return max(found, key=len).decode()


@pytest.mark.isa("avx2")
def test_what_this_cpu_runs_is_verified_as_it_is(tmp_path: Path) -> None:
    made = stages("ml_c4", tmp_path)
    library = made.link()
    assert {path.name for path in library.iterdir()} == MEMBERS
    assert made.runnable(library) == library
    assert assemble.warnings(made.profile) == []
    assert features(library) == " ".join(sorted(made.profile.isa.features))
    assert runs(library)


@pytest.mark.parametrize("device", ["ml_c4", "ml_c5"])
def test_a_twin_runs_in_place_of_what_this_cpu_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setattr(targets, "runs_here", lambda isa: False)
    made = stages(device, tmp_path)
    library = made.link()
    twin = made.runnable(library)
    assert twin != library and twin.is_relative_to(tmp_path)
    assert {path.name for path in twin.iterdir()} == MEMBERS
    assert features(library) == " ".join(sorted(made.profile.isa.features))
    assert features(twin) == " ".join(sorted(targets.get("host").isa.features))
    assert runs(twin)
    [warning] = assemble.warnings(made.profile)
    assert made.profile.isa.name in warning and "neoc bench" in warning


def test_the_twin_leaves_the_artifact_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stages("ml_c5", tmp_path)
    library = made.link()
    before = (library / "compiled.so").read_bytes()
    monkeypatch.setattr(targets, "runs_here", lambda isa: False)
    made.runnable(library)
    assert (library / "compiled.so").read_bytes() == before


def test_members(tmp_path: Path) -> None:
    folder, client = tmp_path / "artifact", tmp_path / "model"
    folder.mkdir()
    client.mkdir()
    (client / "hyperparams.json").write_text("{}")
    (client / "net.onnx").touch()
    members = assemble.members(folder, client)
    assert members.keys() == MEMBERS | {"dlr.h", "hyperparams.json"}
    assert "CreateDLRModel" in members["dlr.h"].read_text()
