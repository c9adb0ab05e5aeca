"""Signing in to the pages with a key pair, and out again. Other sites can do neither."""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from compiler.service import app
from compiler.service.faults import Fault
from compiler.service.render import HEADERS, page
from compiler.service.sessions import COOKIE, LIFE_S, Sessions

OURS = re.compile(r"/(?:jobs/[a-zA-Z0-9-]{1,63})?", re.ASCII)  # where a sign-in may lead
FORM_BYTES = 16 << 10
PATH = "/sign-in"


def routes(door: app.Door, sessions: Sessions) -> list[Route]:
    return [
        Route(PATH, _form, methods=["GET"]),
        Route(PATH, _entering(door, sessions), methods=["POST"]),
        Route("/sign-out", _leave, methods=["POST"]),
    ]


def address(after: str) -> str:
    """Of the form. after: the path of the page that it leads to."""
    return f"{PATH}?{urlencode({'next': after})}" if after != "/" else PATH


def _form(request: Request) -> Response:
    return page("sign_in.html", key=None, next=request.query_params.get("next", "/"), wrong="")


def _entering(door: app.Door, sessions: Sessions) -> Callable[[Request], Awaitable[Response]]:
    async def enter(request: Request) -> Response:
        try:
            _check_origin(request)
            body = await app.read(request, FORM_BYTES)
            return await run_in_threadpool(_enter, door, sessions, request, body)
        except Fault as fault:
            return PlainTextResponse(fault.message, fault.status, HEADERS)

    return enter


def _enter(door: app.Door, sessions: Sessions, request: Request, body: bytes) -> Response:
    given = _fields(body)
    after = given.get("next", "/")
    after = after if OURS.fullmatch(after) else "/"
    identity = given.get("id", "").strip()
    if door.keys.find(identity):
        door.limits.take(identity)
    secret, token = (given.get(name, "").strip() for name in ("secret", "token"))
    key = sessions.enter(identity, secret, token)
    if key is None:
        wrong = "This key pair is not known, or no longer valid."
        return page("sign_in.html", 403, key=None, next=after, wrong=wrong)
    answer = RedirectResponse(after, 303, HEADERS)
    answer.set_cookie(COOKIE, sessions.cookie(key), **_cookie(request))
    return answer


def _fields(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=10, errors="strict"))
    except ValueError:
        raise Fault("SerializationException", "This is not what the form sends.") from None


def _leave(request: Request) -> Response:
    try:
        _check_origin(request)
    except Fault as fault:
        return PlainTextResponse(fault.message, fault.status, HEADERS)
    answer = RedirectResponse(PATH, 303, HEADERS)
    answer.set_cookie(COOKIE, "", **{**_cookie(request), "max_age": 0})
    return answer


def _cookie(request: Request) -> dict[str, Any]:
    secure = request.url.scheme == "https"
    return {
        "max_age": LIFE_S,
        "httponly": True,
        "samesite": "strict",
        "secure": secure,
        "path": "/",
    }


def _check_origin(request: Request) -> None:
    """Refuse what a page of another site sent; browsers say so. Source: Fetch Metadata and, where a
    browser has none of it, the Origin header."""
    site, origin = (request.headers.get(name) for name in ("sec-fetch-site", "origin"))
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        host = request.headers.get("host")
        foreign = origin is not None and origin.partition("://")[2] != host
    if foreign:
        raise Fault("AccessDeniedException", "This form came from another site.", 403)
