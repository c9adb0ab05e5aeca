"""neoc serve as an operator runs it: with workers, a storage server, and what starts it again."""

import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import URLError
from urllib.request import urlopen

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto.server import ThreadedMotoServer

from compiler import offspring
from compiler.service import serve
from compiler.service.keys import generate
from compiler.service.worker import Options

REGION = "us-east-1"
START_S = 60.0
AWAY_S = 60.0  # until who asks gives up
KEY = generate()

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What is served. rate: calls a second of one key."""

    folder: str
    database: str
    storage: str
    workers: int = 2
    lease_s: float = 3.0
    attempts: int = 1000
    command: tuple[str, ...] = (sys.executable, "-m", "benchmarks.service.quick")
    rate: float = 1e6
    port: int = 0


class Deployment:
    """Within the block it is served; `tend` starts a server that was killed again."""

    def __init__(self, plan: Plan) -> None:
        folder = Path(plan.folder)
        (folder / "tmp").mkdir(parents=True)
        credentials = folder / "keys.toml"
        credentials.touch(0o600)
        credentials.write_text(f'[[keys]]\nid = "{KEY.id}"\nsecret = "{KEY.secret}"\n')
        self.plan = Plan(**{**asdict(plan), "port": plan.port or _free_port()})
        self.url = f"http://127.0.0.1:{self.plan.port}"
        self.temporary = folder / "tmp"
        self._log = (folder / "log.txt").open("ab")
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Deployment":
        self.tend()
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._log.close()

    @property
    def pid(self) -> int:
        assert self._server
        return self._server.pid

    def tend(self) -> None:
        if self._server and self._server.poll() is None:
            return
        environment = {**os.environ, "TMPDIR": str(self.temporary)}
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        self._server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.service.deployment", json.dumps(asdict(self.plan))],
            stdout=self._log,
            stderr=self._log,
            env=environment,
            preexec_fn=offspring.die_with_parent,
        )

    def wait(self) -> None:
        """Until it answers."""
        end = time.monotonic() + START_S
        while True:
            try:
                urlopen(f"{self.url}/healthz", timeout=5).close()
                return
            except (URLError, OSError):
                self.tend()
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        if self._server:
            self._server.terminate()
            self._server.wait(START_S)

    def kill(self) -> None:
        assert self._server
        self._server.kill()
        self._server.wait()

    def ask(self, call: Callable[..., T], **members: Any) -> T:
        """As clients do: again while the server is away, or tells that it failed."""
        end = time.monotonic() + AWAY_S
        while True:
            try:
                return call(**members)
            except (BotoCoreError, ClientError) as error:
                ours = isinstance(error, ClientError)
                if time.monotonic() > end or (ours and _status(error) < 500):
                    raise
            self.tend()
            time.sleep(0.1)

    def client(self) -> Any:
        """boto3's, which asks once."""
        return boto3.client(
            "sagemaker",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=KEY.id,
            aws_secret_access_key=KEY.secret,
            config=Config(retries={"total_max_attempts": 1}),
        )


@contextmanager
def storage() -> Iterator[str]:
    """moto's S3 on a loopback port, of which the environment tells boto3."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    settings = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield url
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        server.stop()


def _status(error: Any) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def _free_port() -> int:
    """The same after every start, as clients expect."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def main(text: str) -> None:
    members = json.loads(text)
    plan = Plan(**{**members, "command": tuple(members["command"])})
    serving = serve.Serving(
        host="127.0.0.1",
        port=plan.port,
        region=REGION,
        workers=plan.workers,
        credentials=Path(plan.folder) / "keys.toml",
        tls_cert=None,
        tls_key=None,
        rate=plan.rate,
    )
    options = Options(
        plan.database,
        plan.storage,
        no_tune=True,
        grace_s=5.0,
        lease_s=plan.lease_s,
        attempts=plan.attempts,
        command=plan.command,
    )
    serve.serve(serving, options)


if __name__ == "__main__":
    main(sys.argv[1])
