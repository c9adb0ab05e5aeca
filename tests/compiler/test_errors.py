import pytest

from compiler.errors import ClientError, ServerError, exit_status, reason
from frontends.model import ModelError
from targets import TargetError


class OpError(ModelError):
    pass


@pytest.mark.parametrize(
    ("error", "text", "status"),
    [
        (ClientError("no."), "ClientError: no.", 2),
        (ServerError("no."), "ServerError: no.", 1),
        (ModelError("No model."), "ClientError: InputConfiguration: No model.", 2),
        (OpError("No op."), "ClientError: InputConfiguration: No op.", 2),
        (ModelError("InputConfiguration: x"), "ClientError: InputConfiguration: x", 2),
        (ModelError("CompilationError: x"), "ClientError: CompilationError: x", 2),
        (TargetError("no such"), "ClientError: no such", 2),
        (MemoryError(), "ServerError: the compiler ran out of memory; use a machine with", 1),
        (KeyError("x"), "ServerError: unexpected KeyError: 'x'", 1),
        (ValueError(), "ServerError: unexpected ValueError", 1),
        (ValueError("head\ntrace"), "ServerError: unexpected ValueError: head", 1),
    ],
)
def test_fault_text_and_status(error: Exception, text: str, status: int) -> None:
    assert reason(error).startswith(text)
    assert exit_status(error) == status


def test_a_long_reason_keeps_its_head() -> None:
    assert reason(ClientError("a" * 2000)) == "ClientError: " + "a" * (1024 - 13)
