"""Templates to answers: HTML with every value escaped, under a policy that lets nothing else in."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from compiler import view
from compiler.service.store import Event

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
FILES = {"style.css": "text/css", "page.js": "text/javascript"}


def page(template: str, status: int = 200, **values: Any) -> Response:
    return HTMLResponse(TEMPLATES.get_template(template).render(values), status, HEADERS)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def line(event: Event) -> str:
    """Of a log: phases stand out, all else is indented under theirs. What models are called must
    move no terminal's cursor."""
    at = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    lead = {"phase": "", "warning": "  warning: "}.get(event.kind, "  ")
    return f"{at} {lead}{''.join(c if c.isprintable() else ' ' for c in event.text)}"


def target(members: Mapping[str, Any]) -> str:
    """Of a request's OutputConfig or of a job in a list."""
    device = members.get("TargetDevice") or members.get("CompilationTargetDevice")
    platform = members.get("TargetPlatform") or {
        part: members.get(f"CompilationTargetPlatform{part}") for part in ("Os", "Arch")
    }
    return device or "/".join(filter(None, platform.values()))


TEMPLATES = Environment(
    loader=PackageLoader("compiler.service", "html"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {
    "bytes": view.bytes_text,
    "duration": view.duration,
    "line": line,
    "moment": _moment,
    "target": target,
}


def static(request: Request) -> Response:
    name = request.path_params["file"]
    if name not in FILES:
        return PlainTextResponse("Not Found", 404)
    data = resources.files("compiler.service").joinpath("html", name).read_bytes()
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type=FILES[name], headers=headers)
