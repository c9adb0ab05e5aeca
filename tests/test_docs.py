"""The README keeps pace with the code: whatever a user can type is in it, and what it names is."""

import re
from pathlib import Path

import pytest
import typer.main

import targets
from compiler import cli
from compiler.request import FRAMEWORKS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = typer.main.get_group(cli.app).commands


def test_the_two_commands_come_first() -> None:
    assert README.index("make demo") < README.index("make test") < 600


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_has_help(name: str) -> None:
    assert f"neoc {name}" in README
    assert COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_there_and_has_help(name: str) -> None:
    for parameter in COMMANDS[name].params:
        for option in parameter.opts:
            if option.startswith("--"):
                assert option in README, f"neoc {name} {option} is not in the README"
                assert getattr(parameter, "help", None), f"neoc {name} {option} has no help"


def test_every_variable_is_there() -> None:
    files = [path for kind in ("py", "c", "h") for path in (ROOT / "compiler").rglob(f"*.{kind}")]
    sources = "".join(path.read_text() for path in files)
    for name in set(re.findall(r"\bNEOC_[A-Z_]+\b", (ROOT / "compiler/knobs.py").read_text())):
        assert name in README and name in sources


@pytest.mark.parametrize("name", [*targets.PROFILES, *targets.PLATFORMS])
def test_every_target_is_there(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_every_framework_is_there(name: str) -> None:
    assert name in README


def test_every_path_it_names_exists() -> None:
    for path in re.findall(r"`((?:compiler|frontends|targets|benchmarks|tests)/[\w/.]*)`", README):
        assert (ROOT / path).exists(), f"the README names {path}"


def test_every_make_target_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in set(re.findall(r"\bmake ([a-z]+)\b", README)):
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), f"there is no make {name}"
