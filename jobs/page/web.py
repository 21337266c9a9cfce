"""The planner's page: what each address answers."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Depends, FastAPI, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from jobs.page.answers import (
    ERRORS,
    PageOptions,
    author_of,
    changes_of,
    failed,
    page,
    published_of,
    signed_in,
    wants_part,
)
from jobs.page.changes import Change, Changes
from jobs.page.guard import Guard, token_checked
from jobs.page.published import Day, Published
from jobs.page.results import results
from jobs.page.selection import PAGE_ROWS, Selection
from jobs.page.series_rows import series_view
from jobs.page.upload import MOST_BYTES, uploaded
from jobs.views.export import ORDER_COLUMNS, with_packs
from jobs.views.export_files import FileStyle, write_file
from jobs.views.override import Said, decision_of, last_day_decided
from lakehouse.delta.decisions import TABLE
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError, LockedError, ShelfcastError
from udfs.doubts import kinds_of

_HERE = Path(__file__).parent
_TOP = 15
_MOST_DECISIONS = 200
_DECISIONS = ("order", "confirm", "forecast_factor", "forecast_units", "withdraw")
_MEDIA = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}

reads = APIRouter()
writes = APIRouter(dependencies=[Depends(token_checked)])


def page_of(lake: Lakehouse, options: PageOptions) -> FastAPI:
    """The application that shows and takes decisions about a lakehouse."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.published, app.state.changes, app.state.options = Published(lake), Changes(lake), options
    app.middleware("http")(Guard(options.is_loopback))
    app.mount("/static", StaticFiles(directory=_HERE / "static"))
    app.include_router(reads)
    app.include_router(writes)
    for kind, (status, title) in ERRORS.items():
        app.add_exception_handler(kind, partial(failed, status, title))
    return app


# -- what is read ---------------------------------------------------------------------------------------------------
@reads.get("/")
def first(request: Request) -> Response:
    """What to look at before the orders are signed."""
    day = published_of(request).day()
    flagged = Selection(show="all", rules="any", sort="order_value").lines(day)
    doubtful = Selection(show="doubts", sort="order_value").lines(day)
    risky = Selection(show="all", sort="value_at_risk").lines(day)
    kinds = Counter(kind for text in doubtful["doubts"].to_pylist() for kind in kinds_of(text))
    rules = {name: pc.sum(pc.match_substring(flagged["rules"], name)).as_py() or 0 for name in day.choices["rules"]}
    orders = Selection().lines(day)
    tiles = {
        "series": day.lines.num_rows,
        "orders": orders.num_rows,
        "value": pc.sum(orders["order_value"]).as_py() or 0.0,
        "flagged": flagged.num_rows,
        "doubtful": doubtful.num_rows,
        "risk": pc.sum(day.lines["value_at_risk"]).as_py(),
        "changed": Selection(show="changed").lines(day).num_rows,
    }
    moved = Selection(show="all", sort="moved_value").lines(day)
    tables = {
        "flagged": flagged,
        "doubtful": doubtful,
        "risky": risky.filter(pc.greater(risky["value_at_risk"], 0.0)),
        "moved": moved.filter(pc.greater(moved["moved_value"], 0.0)),
    }
    top = {name: rows.slice(0, _TOP).to_pylist() for name, rows in tables.items()}
    return page(
        request,
        "first.html",
        tiles=tiles,
        kinds=kinds,
        rules=rules,
        main_causes=changes_of(request).main_causes(day),
        **top,
    )


@reads.get("/orders")
def orders(request: Request) -> Response:
    """The order list: filtered, sorted, a page of it."""
    day, asked = published_of(request).day(), Selection.of(request.query_params)
    rows = asked.lines(day)
    pages = max(1, math.ceil(rows.num_rows / PAGE_ROWS))
    number = min(asked.page, pages)
    lines = rows.slice((number - 1) * PAGE_ROWS, PAGE_ROWS).drop_columns(["search"]).to_pylist()
    value = pc.sum(rows["order_value"]).as_py() or 0.0
    address = {"HX-Push-Url": asked.address("/orders", page=number)}
    return page(
        request,
        "orders.html",
        200,
        address,
        asked=asked,
        lines=lines,
        found=rows.num_rows,
        value=value,
        page=number,
        pages=pages,
    )


@reads.get("/export.{ending}")
def export(request: Request, ending: str) -> Response:
    """The list as filtered, all its pages, as a file."""
    if ending not in _MEDIA:
        raise HTTPException(404)
    day, columns = published_of(request).day(), list(ORDER_COLUMNS)
    rows = Selection.of(request.query_params).lines(day).combine_chunks()
    batches = rows.to_batches() or [pa.RecordBatch.from_pylist([], rows.schema)]
    with tempfile.TemporaryDirectory(prefix="shelfcast_") as folder:
        path = Path(folder, f"orders.{ending}")
        style = FileStyle(ending)
        style.check(rows.schema, rows.num_rows)
        write_file(path, "Orders", columns, (with_packs(batch) for batch in batches), style)
        content = path.read_bytes()
    name = f'attachment; filename="orders_{day.as_of}.{ending}"'
    return Response(content, media_type=_MEDIA[ending], headers={"Content-Disposition": name})


@reads.get("/series")
def series(request: Request, id: str = "", done: str = "") -> Response:
    """One line of the plan and all that is known of it."""
    day = published_of(request).day()
    line = day.line(id)
    if line is None:
        raise HTTPException(404, f"The plan of {day.as_of} has no series {id[:100]!r}; find it in the order list.")
    return _series_page(request, day, line, changes_of(request).known(day, id), done=done == "1")


def _series_page(
    request: Request, day: Day, line: dict[str, Any], change: Change, status: int = 200, **values: Any
) -> Response:
    published, id = published_of(request), line["unique_id"]
    with published.lock:
        view = series_view(published.lake, day, line)
    own = [row for row in (*day.decisions.to_pylist(), *day.forecasts) if row["unique_id"] == id]
    places = [place for place in day.places_of(line["sku_id"]) if place["unique_id"] != id]
    same = day.namesakes(line) if line["product_name"] else 0
    usual: dict[str, Any] = {"done": False, "failure": ""} | values
    shown: dict[str, Any] = {
        "line": line,
        "view": view,
        "own": own,
        "places": places[:20],
        "same": same,
        "change": change,
        "tomorrow": day.as_of + timedelta(days=1),
    }
    return page(request, "series.html", status, **shown, **usual)


@reads.get("/results")
def over_time(request: Request) -> Response:
    """Accuracy and money by published day."""
    published = published_of(request)
    day = published.day()
    with published.lock:
        found = results(published.lake, day)
    return page(request, "results.html", results=found)


@reads.get("/decisions")
def decisions(request: Request, done: int = 0) -> Response:
    """What planners decided, and the upload."""
    return _decisions_page(request, done=done)


# -- what is written ------------------------------------------------------------------------------------------------
@writes.post("/decide")
def decide(
    request: Request,
    unique_id: Annotated[str, Form()],
    decision: Annotated[str, Form()],
    note: Annotated[str, Form()] = "",
    author: Annotated[str, Form()] = "",
    until: Annotated[str, Form()] = "",
    since: Annotated[str, Form()] = "",
    order_qty: Annotated[str, Form()] = "",
    expected: Annotated[str, Form()] = "",
    check_rule: Annotated[str, Form()] = "all",
) -> Response:
    """Record one decision, then show the series with it."""
    published = published_of(request)
    line = published.day().line(unique_id)
    if line is None:
        raise ConfigError(
            f"the plan has no series {unique_id[:100]!r}; it may have been published anew: go back to the list"
        )
    said = Said(
        unique_id,
        author_of(request, author),
        note.strip(),
        order=_number("order", order_qty) if decision == "order" else None,
        confirm=check_rule if decision == "confirm" else None,
        forecast_factor=_number("forecast", expected) if decision == "forecast_factor" else None,
        forecast_units=_number("forecast", expected) if decision == "forecast_units" else None,
        withdraw=decision == "withdraw",
        since=_day("from", since),
        until=_day("until", until),
    )
    if decision not in _DECISIONS:
        raise ConfigError(f"decision: expected one of {', '.join(_DECISIONS)}, found {decision[:40]!r}")
    if said.withdraw:
        with published.lock:
            said = replace(said, until=last_day_decided(published.lake, unique_id))
    published.decide([decision_of(line, said)])
    return RedirectResponse(f"/series?id={quote(unique_id, safe='')}&done=1#decide", 303)


@writes.post("/change")
def change(request: Request, unique_id: Annotated[str, Form()]) -> Response:
    """Find out why an order changed; alone for a script that asks, else on the series' page."""
    day = published_of(request).day()
    line = day.line(unique_id)
    if line is None:
        raise ConfigError(f"the plan has no series {unique_id[:100]!r}; go back to the order list")
    status, failure, found = 200, "", Change([])
    try:
        found = changes_of(request).find_out(day, unique_id)
    except ShelfcastError as error:
        status, failure = ERRORS[LockedError if isinstance(error, LockedError) else ShelfcastError][0], str(error)
    if wants_part(request):
        return page(request, "change.html", status, line=line, change=found, failure=failure)
    return _series_page(request, day, line, found, status, failure=failure)


@writes.post("/upload")
def upload(
    request: Request,
    file: UploadFile,
    note: Annotated[str, Form()] = "",
    author: Annotated[str, Form()] = "",
    until: Annotated[str, Form()] = "",
) -> Response:
    """Record all of a file's orders, or say what is wrong with which row."""
    published = published_of(request)
    content = file.file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ConfigError(f"the file is larger than {MOST_BYTES:,} bytes; split it")
    usual = Said("", author_of(request, author), note.strip(), until=_day("until", until))
    found = uploaded(file.filename or "", content, published.day(), usual, signed_in(request) is not None)
    if found.errors:
        return _decisions_page(request, status=422, errors=found.errors, file_name=file.filename)
    published.decide(found.decisions)
    return RedirectResponse(f"/decisions?done={len(found.decisions)}", 303)


def _decisions_page(request: Request, status: int = 200, **values: Any) -> Response:
    published = published_of(request)
    published.day()
    with published.lock:
        rows = published.lake.read_arrow(TABLE).sort_by([("recorded_at", "descending"), ("decision_id", "ascending")])
    usual: dict[str, Any] = {"errors": [], "file_name": "", "done": 0}
    shown = rows.slice(0, _MOST_DECISIONS).to_pylist()
    return page(request, "decisions.html", status, rows=shown, recorded=rows.num_rows, **(usual | values))


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{name}: expected units, found {text[:40]!r}; write a number, 0 for none") from None


def _day(name: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text.strip() else None
    except ValueError:
        raise ConfigError(f"{name}: expected a day as YYYY-MM-DD, found {text[:40]!r}") from None
