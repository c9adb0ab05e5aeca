"""What a caller of the API is told when something is wrong: AWS's code and one sentence."""

MESSAGE_LIMIT = 4096


class Fault(Exception):
    """code: `__type` of the reply. status: of HTTP."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message[:MESSAGE_LIMIT]
        self.status = status


def invalid(message: str) -> Fault:
    return Fault("ValidationException", message)


def unreadable(message: str) -> Fault:
    """The body is not what the protocol says."""
    return Fault("SerializationException", message)


def no_job(name: str) -> Fault:
    return Fault("ResourceNotFound", f"Could not find compilation job '{name}'.")


def job_exists(name: str) -> Fault:
    return Fault(
        "ResourceInUse",
        f"Resource Already Exists: Compilation job with name {name} already exists. "
        "Choose a different name.",
    )


def internal() -> Fault:
    """Ours; clients try again. What happened is in the server's log and nowhere else."""
    return Fault("InternalFailure", "The service failed; try again.", 500)
