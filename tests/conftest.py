"""What tests share: the CPU's limits, the stock client's environment, and deterministic chance."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

import targets
from benchmarks.models import cache_folder
from targets import isa

# The same examples everywhere: a failure on one machine is a failure on all. No deadline, since
# a shared machine stalls for reasons that are not ours.
settings.register_profile("neoc", derandomize=True, deadline=None, database=None)
settings.load_profile("neoc")

# What is measured on this machine decides nothing here, and what tests measure is not kept.
os.environ["NEOC_RECORDS"] = os.devnull

ISAS = {"avx2": isa.AVX2, "avx512": isa.AVX512, "neon": isa.NEON}

GOLDEN = Path(__file__).parent / "golden"

# What the client of a device needs, and not one package more: in particular no TVM.
DLR_PACKAGES = ("dlr==1.10.0", "numpy==2.4.6", "requests==2.34.2", "distro==1.9.0")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected texts anew")
    parser.addoption("--full", action="store_true", help="test every model, for half an hour")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long tests first, so that no process is left with one at the end; those of `full` only when
    asked for."""
    if not config.getoption("--full"):
        left_out = [item for item in items if item.get_closest_marker("full")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("isa"):
        name = marker.args[0]
        if not targets.runs_here(ISAS[name]):
            pytest.skip(f"this CPU lacks {name}")


@pytest.fixture
def golden(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Compares a text with tests/golden/<name>; `pytest --update-golden` is how that changes."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if pytestconfig.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert text == path.read_text()

    return compare


@pytest.fixture(scope="session")
def dlr_python() -> Path:
    """The Python of an environment that holds the unmodified `dlr` client, and no TVM. Run it with
    `-I`, away from the checkout."""
    return environment_of(*DLR_PACKAGES, finish=_silence)


def environment_of(
    *packages: str, below: Path | None = None, finish: Callable[[Path], None] | None = None
) -> Path:
    """The Python of an environment with these packages, the first of which names it. Made once and
    kept in the user's cache folder. below: a folder of others. finish: is given its folder."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache_folder().parent / f"{packages[0].replace('==', '-')}-python{version}"
    python = folder / "env" / "bin" / "python"
    ready = folder / "ready"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes run side by side
        if not ready.exists():
            subprocess.run(
                [sys.executable, "-m", "venv", "--clear", str(folder / "env")], check=True
            )
            pip = [str(python), "-m", "pip", "install", "--quiet", *packages]
            subprocess.run(pip, check=True)
            if finish:
                finish(folder)
            ready.touch()
        if below:
            [site] = folder.glob("env/lib/python*/site-packages")
            (site / "below.pth").write_text(f"{below}\n")
    return python


def _silence(folder: Path) -> None:
    """The client calls its maker at each import and load unless its own switch says no."""
    package = next(folder.glob("env/lib/python*/site-packages/dlr"))
    (package / "counter").mkdir(exist_ok=True)
    switch = package / "counter" / "ccm_config.json"
    switch.write_text(json.dumps({"enable_phone_home": False}))
