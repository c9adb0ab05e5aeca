import sys
from pathlib import Path

import pytest
import typer.main

from compiler import cli, knobs
from compiler.errors import ClientError
from compiler.service import commands, serve
from compiler.service.fleet import Fleet
from compiler.service.serve import Serving
from compiler.service.worker import Options

Served = list[tuple[Serving | Fleet, Options]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Served:
    """What the commands would start."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    knobs.current.cache_clear()
    calls: Served = []
    monkeypatch.setattr(serve, "serve", lambda *given: calls.append(given))
    monkeypatch.setattr(serve, "work", lambda *given: calls.append(given))
    return calls


def run(*arguments: str) -> None:
    typer.main.get_command(cli.app)(list(arguments), standalone_mode=False)


def test_serve_needs_no_options(served: Served, tmp_path: Path) -> None:
    run("serve")
    [(serving, options)] = served
    assert isinstance(serving, Serving)
    assert (serving.host, serving.port, serving.workers) == ("127.0.0.1", 8080, 1)
    assert serving.region == "eu-west-1"
    assert options == Options(str(tmp_path / "neoc" / "service.sqlite"))


def test_options_arrive(served: Served) -> None:
    run("serve", "--region", "us-west-2", "--workers", "0", "--no-tune", "--rate", "5")
    run("worker", "--database", "postgresql://h/n", "--targets", "ml_c5,ml_c4", "--workers", "2")
    (serving, options), (fleet, others) = served
    assert isinstance(serving, Serving)
    assert (serving.region, serving.workers, serving.rate) == ("us-west-2", 0, 5)
    assert options.no_tune and options.targets is None
    assert isinstance(fleet, Fleet) and fleet.count == 2
    assert others == Options("postgresql://h/n", targets=("ml_c5", "ml_c4"))


def test_ray_is_joined_for_workers(served: Served) -> None:
    with pytest.raises(ClientError, match="--executor ray needs a --database that every node can"):
        run("worker", "--executor", "ray")


def test_the_extra_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ClientError, match=r"hint: pip install 'neoc\[service\]'"):
        commands.serve()


def test_keys_come_and_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--database", str(tmp_path / "new" / "jobs.sqlite")]
    run("keys", "add", "--account", "123456789012", *place)
    identity, secret = capsys.readouterr().out.split()
    run("keys", "list", *place)
    listed = capsys.readouterr().out
    assert listed == f"{identity}\t123456789012\n" and secret not in listed
    run("keys", "remove", identity, *place)
    run("keys", "list", *place)
    assert capsys.readouterr().out == ""
    with pytest.raises(ClientError, match=f"there is no key {identity}"):
        run("keys", "remove", identity, *place)
    with pytest.raises(ClientError, match="twelve digits"):
        run("keys", "add", "--account", "1", *place)
