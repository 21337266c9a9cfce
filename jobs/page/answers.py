"""What every address of the page answers with: a template's page or a part of one, or words for what went wrong."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from jobs.page.changes import Changes
from jobs.page.guard import HEADERS, RefusedError
from jobs.page.published import Published
from jobs.page.selection import SHOWN, SORTS
from jobs.page.templating import templates
from lakehouse.errors import ConfigError, LockedError, ShelfcastError

_log = logging.getLogger("shelfcast.page")
_TEMPLATES = templates()
_WHOLE = {"HX-Retarget": "#main", "HX-Reselect": "#main"}
"""A script that would take a part out of a page shows all of it instead."""


@dataclass(frozen=True, slots=True)
class PageOptions:
    """`author_header`: where a platform's proxy says who is signed in; then nobody decides under another name.
    `is_loopback`: whether the page is for this machine alone."""

    author_header: str | None = None
    is_loopback: bool = True


def published_of(request: Request) -> Published:
    found: Published = request.app.state.published
    return found


def changes_of(request: Request) -> Changes:
    found: Changes = request.app.state.changes
    return found


def signed_in(request: Request) -> str | None:
    """Who the platform says is signed in."""
    header = request.app.state.options.author_header
    return request.headers.get(header) or None if header else None


def author_of(request: Request, typed: str) -> str:
    """Who decides: whom the platform names, where it is to name somebody, else who says so."""
    header = request.app.state.options.author_header
    if header and not signed_in(request):
        raise ConfigError(f"nobody is signed in: the proxy is to name a person in {header}, and did not; sign in again")
    return signed_in(request) or typed.strip()


def wants_part(request: Request) -> bool:
    """Whether a script asks for a part of the page that it has, and for nothing else."""
    return request.headers.get("hx-request-type") == "partial"


def page(
    request: Request, template: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any
) -> Response:
    """A template with what all of them need; one that says what went wrong shows no day, which may be what did."""
    shared = {
        "day": published_of(request).day() if not template.startswith("error") else None,
        "token": getattr(request.state, "token", ""),
        "signed_in": signed_in(request),
        "shown": SHOWN,
        "sorts": SORTS,
    }
    told = HEADERS | (headers or {})
    return _TEMPLATES.TemplateResponse(request, template, shared | values, status_code=status, headers=told)


def failed(status: int, title: str, request: Request, error: Exception) -> Response:
    """A page, or a part of one, that says what went wrong and what to do."""
    if isinstance(error, HTTPException):
        status = error.status_code
        said = str(error.detail) if status != 404 or error.detail != "Not Found" else "There is no such page."
    elif isinstance(error, ShelfcastError):
        said = str(error)
    elif isinstance(error, RefusedError):
        said = "The form was not this page's own, or it is older than your browser's session. Nothing was recorded."
    elif isinstance(error, RequestValidationError):
        said = "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors())
    else:
        _log.error("unexpected", exc_info=error)
        said = "The fault is the program's. Its log has the trace; what was recorded before is safe."
    if wants_part(request):
        return page(request, "error_part.html", status, title=title, said=said)
    return page(request, "error.html", status, _WHOLE, title=title, said=said)


ERRORS: dict[type[Exception], tuple[int, str]] = {
    ConfigError: (400, "That did not work"),
    LockedError: (503, "Somebody else is writing just now"),
    ShelfcastError: (500, "The tables cannot be read"),
    RefusedError: (403, "Refused"),
    RequestValidationError: (400, "Something is missing"),
    HTTPException: (404, "Not found"),
    Exception: (500, "Something broke"),
}
