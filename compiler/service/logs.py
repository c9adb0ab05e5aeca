"""Logs of server and workers: every record a line of JSON on standard error."""

import logging

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

FIELDS = ("asctime", "levelname", "name", "process", "message")
NAMES = {"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "trace"}


def start(program: str) -> None:
    """For the whole process. program: `serve` or `worker`. What a call of `log.info` has in `extra`
    are members of its line."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(program))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def formatter(program: str) -> JsonFormatter:
    return JsonFormatter(
        "".join(f"{{{name}}}" for name in FIELDS),
        style="{",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
        rename_fields=NAMES,
        reserved_attrs=[*RESERVED_ATTRS, "color_message"],  # uvicorn's, for terminals
        static_fields={"program": program},
    )
