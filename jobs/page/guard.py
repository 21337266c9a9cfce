"""What keeps strangers out of the page: headers, a token for writes, names that a browser may call it by."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Form, Request, Response
from fastapi.responses import PlainTextResponse

from jobs.page.upload import MOST_BYTES

COOKIE = "shelfcast_token"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MOST_BODY = MOST_BYTES + 100_000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class RefusedError(Exception):
    """A write that did not come from the page's own forms."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A middleware. `is_loopback`: only this machine's browser is served, under this machine's own names, so that no
    foreign name that is made to point here (DNS rebinding) reaches the page."""

    is_loopback: bool

    async def __call__(self, request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        refusal = self._refusal(request)
        known = request.cookies.get(COOKIE)
        request.state.token = known or secrets.token_urlsafe(32)
        response = refusal or await answer(request)
        if not known:
            is_https = request.url.scheme == "https"
            response.set_cookie(COOKIE, request.state.token, httponly=True, samesite="strict", secure=is_https)
        if not request.url.path.startswith("/static/"):
            response.headers.update(HEADERS)
        return response

    def _refusal(self, request: Request) -> Response | None:
        if self.is_loopback and request.url.hostname not in LOOPBACK:
            return PlainTextResponse("This page answers to 127.0.0.1 and localhost only.\n", 400)
        if request.method != "POST":
            return None
        length = request.headers.get("content-length", "")
        if not length.isdecimal():
            return PlainTextResponse("A write must state its length.\n", 411)
        if int(length) > _MOST_BODY:
            return PlainTextResponse(f"More than {MOST_BYTES:,} bytes are not taken; split the file.\n", 413)
        return None


def token_checked(request: Request, token: Annotated[str, Form()] = "") -> None:
    """Raise RefusedError unless form and cookie hold one token and the browser names no other site."""
    known = request.cookies.get(COOKIE, "")
    if not (known and _is_own(request) and secrets.compare_digest(known.encode(), token.encode())):
        raise RefusedError


def _is_own(request: Request) -> bool:
    """By what the browser says of the page that sent the form; behind a proxy the host may be another than it knows."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site == "same-origin"
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
