"""Whose fault a failure is, and the one text a caller reads about it.

    CompileError
    +- ClientError   the model, the request or the permissions: what is wrong, where, what to do
    +- ServerError   ours

frontends' ModelError and targets' TargetError are the client's too; they live in their own rooms.
"""

REASON_LIMIT = 1024  # FailureReason of the API, in characters
INPUT, OUTPUT = "InputConfiguration: ", "OutputConfiguration: "
CATEGORIES = (INPUT, "CompilationError: ", OUTPUT)


class CompileError(Exception):
    """A compilation failed and the text says why."""


class ClientError(CompileError):
    """The caller can repair this."""


class ServerError(CompileError):
    """The caller can only report this."""


def reason(exc: BaseException) -> str:
    """The FailureReason of `exc`: `ClientError: ...` or `ServerError: ...`, its head kept."""
    text = str(exc).strip()
    if isinstance(exc, ClientError) or _is_named(exc, "targets.profile", "TargetError"):
        text = f"ClientError: {text}"
    elif _is_named(exc, "frontends.model", "ModelError"):
        category = "" if text.startswith(CATEGORIES) else INPUT
        text = f"ClientError: {category}{text}"
    elif isinstance(exc, CompileError):
        text = f"ServerError: {text}"
    elif isinstance(exc, MemoryError):
        text = "ServerError: the compiler ran out of memory; use a machine with more of it."
    else:
        head = text.partition("\n")[0]
        text = f"ServerError: unexpected {type(exc).__name__}: {head}".rstrip(": ")
    return text[:REASON_LIMIT]


def exit_status(exc: BaseException) -> int:
    """2 for the caller's mistake, 1 for ours."""
    return exit_status_of(reason(exc))


def exit_status_of(failure_reason: str) -> int:
    """The same for a reason that crossed a process boundary as text."""
    return 2 if failure_reason.startswith("ClientError: ") else 1


def _is_named(exc: BaseException, module: str, name: str) -> bool:
    """isinstance by name: importing frontends here would load TVM into every command."""
    return any(c.__module__ == module and c.__name__ == name for c in type(exc).__mro__)
