"""What people see in a browser: an account's jobs, each with its phases, curve, layers and log.

Whoever asks is known by the cookie of a sign-in or, for programs, by an AWS signature. Pages change
nothing, so that a cookie alone can do no harm.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import (
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from compiler import storage
from compiler.errors import CompileError
from compiler.service import api, app, sign_in, views
from compiler.service.faults import Fault
from compiler.service.jobs import Status
from compiler.service.keys import Key
from compiler.service.render import HEADERS, line, page, static
from compiler.service.sessions import COOKIE, Sessions
from compiler.service.worker import USUAL_LIMIT_S

PER_PAGE, LINES, LOG_PAGE = 50, 200, 1000
LINK_S = 300  # how long the artifact may be fetched by a link


@dataclass(frozen=True)
class Desk:
    """door: of the API, whose keys and limits hold here, too."""

    door: app.Door
    sessions: Sessions
    storage_endpoint: str | None = None


Show = Callable[[Desk, Request, Key], Response]


def routes(desk: Desk) -> list[Route]:
    shown: dict[str, Show] = {
        "/": _jobs,
        "/list": _jobs,
        "/jobs/{name}": _job,
        "/jobs/{name}/live": _job,
        "/jobs/{name}/log": _log,
        "/jobs/{name}/artifact": _artifact,
    }
    return [
        *sign_in.routes(desk.door, desk.sessions),
        Route("/static/{file}", static, methods=["GET"]),
        *(Route(path, _guarded(desk, show), methods=["GET"]) for path, show in shown.items()),
    ]


def _guarded(desk: Desk, show: Show) -> Callable[[Request], Response]:
    """`show` for whom it is about; others are asked to sign in."""

    def endpoint(request: Request) -> Response:
        try:
            key = _who(desk, request)
            return _stranger(request) if key is None else show(desk, request, key)
        except Fault as fault:
            status = 404 if fault.code == "ResourceNotFound" else fault.status
            return page("error.html", status, key=None, code=fault.code, message=fault.message)

    return endpoint


def _who(desk: Desk, request: Request) -> Key | None:
    if "authorization" in request.headers:
        asked = request.method, request.url.path, request.url.query
        return desk.door.admit(app.signed(request), b"", asked)
    key = desk.sessions.read(request.cookies.get(COOKIE, ""))
    if key is not None:
        desk.door.limits.take(key.id)
    return key


def _stranger(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(sign_in.address(request.url.path), 303, HEADERS)
    return PlainTextResponse("Sign in, or sign the request.\n", 401, HEADERS)


def _jobs(desk: Desk, request: Request, key: Key) -> Response:
    """The list, newest first: ListCompilationJobs as a page."""
    names = "NameContains", "StatusEquals", "NextToken"
    asked = {n: v for n in names if (v := request.query_params.get(n))}
    order = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": PER_PAGE}
    found = api.answer(desk.door.service, key.account, "ListCompilationJobs", {**asked, **order})
    assert found
    token = found.get("NextToken")
    return page(
        "list.html" if request.url.path == "/list" else "jobs.html",
        key=key,
        asked={name: asked.get(name, "") for name in names},
        statuses=list(Status),
        jobs=found["CompilationJobSummaries"],
        older=urlencode({**asked, "NextToken": token}) if token else "",
        now=time.time(),
        refresh=True,
    )


def _job(desk: Desk, request: Request, key: Key) -> Response:
    store, now = desk.door.service.store, time.time()
    job = store.describe(key.account, request.path_params["name"])
    trace = store.trace(job)
    phases = views.phases(job, trace, now)
    report = job.report or {}
    said = [event.text for event in trace if event.kind == "warning"]
    return page(
        "live.html" if request.url.path.endswith("/live") else "job.html",
        key=key,
        job=job,
        limit=job.limit_s or USUAL_LIMIT_S,
        elapsed=views.elapsed(job, now),
        phase=next((phase.name for phase in phases if phase.running), ""),
        phases=phases,
        curve=views.curve(trace),
        width=views.WIDTH,
        height=views.HEIGHT,
        parity=views.parity(report),
        warnings=report.get("warnings", said),
        layers=report.get("layers", ()),
        lines=store.tail(key.account, job.name, LINES),
        refresh=not job.final,
    )


def _log(desk: Desk, request: Request, key: Key) -> Response:
    """Text, or JSON lines for who accepts them: from behind the line numbered `after`."""
    name, after = request.path_params["name"], request.query_params.get("after", "0")
    if not re.fullmatch(r"\d{1,15}", after, re.ASCII):
        raise Fault("ValidationException", "after must be the number of a line.")
    store = desk.door.service.store
    as_json = "application/x-ndjson" in request.headers.get("accept", "")
    first = store.log(key.account, name, int(after), LOG_PAGE)
    if not first:
        store.describe(key.account, name)  # a log outlives its job; here there may be neither

    def lines() -> Iterator[str]:
        entries = first
        while entries:
            for number, fence, event in entries:
                if as_json:
                    told = {"number": number, "attempt": fence, **asdict(event)}
                    yield json.dumps(told) + "\n"
                elif event.kind != "value":
                    yield line(event) + "\n"
            entries = store.log(key.account, name, entries[-1][0], LOG_PAGE)

    kind = "application/x-ndjson" if as_json else "text/plain"
    return StreamingResponse(lines(), media_type=kind, headers=HEADERS)


def _artifact(desk: Desk, request: Request, key: Key) -> Response:
    """To the object itself, by a link that its storage lets in for a while."""
    job = desk.door.service.store.describe(key.account, request.path_params["name"])
    if job.status != Status.COMPLETED:
        raise Fault("ResourceNotFound", f"Job {job.name} has no artifact: it is {job.status}.")
    try:
        link = storage.link(job.artifact, LINK_S, endpoint_url=desk.storage_endpoint)
    except CompileError as error:
        raise Fault("ValidationException", f"{job.artifact}: {error}") from error
    return RedirectResponse(link, 303, HEADERS)
