"""The planner's page on a small lakehouse: what it shows, refuses, records and hands out."""

from __future__ import annotations

import io
import re
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any

import openpyxl
import pandas as pd
import pytest

from jobs.cli import main
from lakehouse.delta.decisions import TABLE, decisions_for, forecasts_for
from lakehouse.delta.io import Lakehouse
from tests.jobs.test_export import LAST, line, publish

pytest.importorskip("fastapi", reason="the page is an extra")
from fastapi.testclient import TestClient

from jobs.page.answers import PageOptions
from jobs.page.guard import COOKIE
from jobs.page.results import ACCURACY
from jobs.page.selection import PAGE_ROWS
from jobs.page.web import page_of

PART = {"HX-Request": "true", "HX-Request-Type": "partial"}
EVIL = "<script>alert(1)</script>"
BY = {"author": "Ana", "note": "a fair in town"}


def planned(sku: str, location: str = "north", **values: Any) -> dict[str, Any]:
    usual = {
        "headline": f"Order 12 of {sku}",
        "main_reason": "reorder",
        "order_rank": 1,
        "stockout_risk": 0.1,
        "last_order_qty": 12.0,
        "product_name": f"Product {sku}",
        "department": "DAIRY",
        "is_stock_assumed": False,
        "policy": "z_sigma",
        "model": "ets",
        "lead_time_days": 2.0,
        "reorder_point_qty": 5.0,
        "order_up_to_qty": 15.0,
        "safety_stock_qty": 2.0,
        "demand_class": "smooth",
    }
    return line(sku, location, **(usual | values))


def of_gold(row: dict[str, Any], **values: Any) -> dict[str, Any]:
    kept = ("as_of", "unique_id", "sku_id", "location_id", "channel_id", "product_name", "currency", "run_id")
    return {name: row.get(name) for name in kept} | values


@pytest.fixture
def shop(lake: Lakehouse) -> Lakehouse:
    """Six lines: one evil name, one flagged, one doubtful and changed, one without an order, one SKU in two places."""
    rows = [
        planned("A", product_name=EVIL, order_rank=2, order_value=5.0),
        planned("B", department="MEAT", supplier_id="acme", order_value=90.0),
        planned("B", "south", order_rank=3, order_value=7.0, main_reason="shelf life"),
        planned("C", order_rank=4, doubts="unsold: none for 69 days", order_qty=1512.0, last_order_qty=2.0),
        planned("D", order_qty=0.0, order_value=0.0, order_rank=None, main_reason="enough stock", last_order_qty=0.0),
        planned("E", order_rank=5, product_name="=cmd|' /C calc'!A0", channel_id="shop"),
    ]
    publish(lake, *rows)
    flagged = of_gold(rows[1], check_rule="much cover", order_qty=12.0, found_value=70.0, bound_value=60.0)
    publish(lake, flagged, name="gold.order_check")
    risks = [of_gold(row, stockout_risk=0.1, value_at_risk=1.0 + at) for at, row in enumerate(rows)]
    return publish(lake, *risks, name="gold.stock_risk")


def client(lake: Lakehouse, **options: Any) -> TestClient:
    page = page_of(lake, PageOptions(**options))
    return TestClient(page, base_url="http://127.0.0.1", follow_redirects=False, raise_server_exceptions=False)


@pytest.fixture
def page(shop: Lakehouse) -> TestClient:
    return client(shop)


def skus(page: TestClient, address: str) -> list[str]:
    """SKUs and places of the list, in its order."""
    answer = page.get(address)
    assert answer.status_code == 200, answer.text
    return [" ".join(found.split(" · ")[:2]) for found in re.findall(r'<span class="id">(.*?)</span>', answer.text)]


def token(page: TestClient) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page.get("/decisions").text)
    assert found
    return found[1]


def decide(page: TestClient, unique_id: str, **said: str) -> Any:
    return page.post("/decide", data={"token": token(page), "unique_id": unique_id, **BY, **said})


# -- reading --------------------------------------------------------------------------------------------------------
def test_exceptions_come_first(page: TestClient) -> None:
    assert "+1,510" in page.get("/orders?show=changed").text
    text = page.get("/").text
    assert text.index("Implausible orders") < text.index("Doubtful data") < text.index("Largest risks")
    assert "much cover <b>1</b>" in text
    assert "unsold: none for 69 days" in text
    assert text.index("E · north", text.index("Largest risks")) < text.index("D · north", text.index("Largest risks"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["B north", "A north", "B south", "C north", "E north"]),
        ("sort=order_value", ["B north", "C north", "E north", "B south", "A north"]),
        ("sort=-order_value", ["A north", "B south", "C north", "E north", "B north"]),
        ("show=all&sort=sku_id", ["A north", "B north", "B south", "C north", "D north", "E north"]),
        ("department=MEAT", ["B north"]),
        ("location_id=south", ["B south"]),
        ("supplier_id=acme", ["B north"]),
        ("main_reason=shelf+life", ["B south"]),
        ("rules=any", ["B north"]),
        ("rules=no+price", []),
        ("show=doubts", ["C north"]),
        ("show=changed", ["C north"]),
        ("show=all&q=PRODUCT+d%7Cnorth", ["D north"]),
        ("q=100%25", []),
        ("location_id=north&main_reason=reorder&q=product", ["B north", "C north"]),
    ],
)
def test_the_list_is_filtered_and_sorted(page: TestClient, query: str, expected: list[str]) -> None:
    assert skus(page, f"/orders?{query}") == expected


def test_a_long_list_is_paged(lake: Lakehouse) -> None:
    count = 2 * PAGE_ROWS + 5
    page = client(publish(lake, *(planned(f"{at:04d}", order_rank=at + 1) for at in range(count))))
    pages = [skus(page, f"/orders?page={number}") for number in (1, 2, 3)]
    assert [len(found) for found in pages] == [PAGE_ROWS, PAGE_ROWS, 5]
    assert sorted(chain(*pages)) == [f"{at:04d} north" for at in range(count)]
    assert skus(page, "/orders?page=99") == pages[2], "beyond the end is the end"
    text = page.get("/orders?page=2&department=DAIRY").text
    assert 'href="/orders?department=DAIRY&amp;page=3"' in text
    assert f"<b>{count}</b> lines" in text


@pytest.mark.parametrize(
    "address", ["/", "/orders", "/series?id=A|north|all", "/orders?q=%3Cscript%3Ealert(1)%3C/script%3E"]
)
def test_text_is_escaped_and_no_inline_script_may_run(page: TestClient, address: str) -> None:
    answer = page.get(address)
    assert EVIL not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy


def with_history(lake: Lakehouse) -> Lakehouse:
    """Sales, a promotion, a holiday and the forecast of series B in the north."""
    key = {"unique_id": "B|north|all", "bucket": 3}
    made = key | {"cutoff": LAST, "run_id": "run-2"}
    days = [LAST - timedelta(days=back) for back in range(20)]
    publish(lake, key | {"as_of": LAST, "run_id": "run-2", "policy": "z_sigma"}, name="inventory.policy")
    sold = [key | {"ds": at, "y": float(at.day), "is_promo": at.day == 20, "is_filled": False} for at in days]
    publish(lake, *sold, name="silver.sales_daily")
    publish(lake, key | {"ds": date(2024, 3, 6), "is_promo": True}, name="silver.planned_daily")
    levels = dict(zip(("p05", "p25", "p50", "p75", "p95", "p99"), range(1, 7), strict=True))
    quantiles = {name: float(value) for name, value in levels.items()} | {"mean": 3.0, "sd": 1.0}
    ahead = [made | quantiles | {"ds": LAST + timedelta(days=at), "model": "ets"} for at in range(1, 8)]
    publish(lake, *ahead, name="forecast.demand")
    sums = [made | {"days": at, "mean": 3.0 * at, "p90": 5.0 * at, "sd": 1.0} for at in range(1, 8)]
    publish(lake, *sums, name="forecast.lead_time_demand")
    steps = [
        {"step": at, "step_count": 1, "step_qty": 6.0, "step_cost": 9.0, "expected_value": 4.5 - at} for at in (0, 1)
    ]
    publish(lake, *(key | step | {"run_id": "run-2"} for step in steps), name="inventory.order_step")
    holiday = {"location_id": "north", "ds": date(2024, 3, 8), "is_holiday": True, "event_name": "Women's Day"}
    return publish(lake, holiday, name="silver.calendar")


def test_a_series_shows_its_fan_its_stock_and_what_each_pack_earns(shop: Lakehouse) -> None:
    text = client(with_history(shop)).get("/series?id=B|north|all").text
    assert text.count('<svg class="plot"') == 2
    assert text.count('<rect class="promotion"') == 1 + 2, "the legend's, one sold day and one planned"
    assert "Tue 20 Feb 2024; Wed 6 Mar 2024" in text
    assert "Women&#39;s Day (Fri 8 Mar 2024)" in text
    assert "the order arrives Tue 5 Mar 2024" in text
    assert re.findall(r'<td class="n">([\d.]+)</td></tr>', text) == ["4.50", "8.00"], "earned in all, pack by pack"
    assert "Order 12: position 3.3 covers 1.8 days" in text
    assert 'href="/series?id=B%7Csouth%7Call"' in text, "the same SKU elsewhere"


def test_products_of_one_name_are_told_apart(lake: Lakehouse) -> None:
    page = client(publish(lake, *(planned(sku, product_name="MILK") for sku in "ABC")))
    text = page.get("/series?id=B|north|all").text
    assert "2 other SKUs have this name" in text
    assert "SKU <b>B</b> · location <b>north</b>" in text


def test_results_are_told_by_day(shop: Lakehouse) -> None:
    day_before = LAST - timedelta(days=1)
    publish(shop, planned("A", as_of=day_before, run_id="run-1", order_value=3.0))
    text = client(shop).get("/results").text
    rows = re.findall(r'<td class="day">(.*?)</td><td class="n">(.*?)</td><td class="n">(.*?)</td>', text)
    assert rows[:2] == [(str(LAST), "5", "138"), (str(day_before), "1", "3")]
    assert "No forecast could be tested yet" in text
    errors = {"actual": 10.0, "forecast": 9.0, "naive_forecast": 12.0, "wape": 0.5, "naive_wape": 0.8, "days": 28}
    scored = of_gold(planned("A")) | errors | {"cutoff": LAST, "department": "DAIRY", "share_below_p90": 0.9}
    publish(shop, {name: scored[name] for name in scored if name not in ("product_name", "currency")}, name=ACCURACY)
    text = client(shop).get("/results").text
    assert "The forecast beats seasonal naive: over 28 days it missed by 50% of the units sold" in text
    assert re.search(r"<td>DAIRY</td>.*>50%</td><td class=\"n\">80%</td><td class=\"n\">-10%</td>", text)


def test_nervousness_compares_what_both_plans_order(lake: Lakehouse) -> None:
    day_before = LAST - timedelta(days=1)
    publish(lake, planned("A", as_of=day_before, run_id="run-1", last_order_qty=None))
    assert "No published plan has one before it" in client(lake).get("/results").text
    same, more, new = planned("A"), planned("B", order_qty=36.0), planned("C", last_order_qty=None)
    text = client(publish(lake, same, more, new)).get("/results").text
    table = text[text.index("How nervous plans are") :]
    rows = re.findall(r'<td class="day">(.*?)</td>' + r'<td class="n">(.*?)</td>' * 5, table)
    assert rows == [(str(LAST), "2", "1", "50%", "36", "67%")], "24 units of 1.50 moved; 12 and 24 are the mean orders"


# -- why an order changed -------------------------------------------------------------------------------------------
def of_change(cause: str, qty: float, value: float | None) -> dict[str, Any]:
    plans = {"as_of": LAST, "run_id": "run-2", "against_as_of": LAST - timedelta(days=1), "against_run_id": "run-1"}
    parts = {"cause": cause, "order_qty_change": qty, "order_value_change": value, "words": EVIL, "currency": "EUR"}
    return {"unique_id": "B|north|all", "recorded_at": datetime(2024, 3, 2, tzinfo=UTC)} | plans | parts


def with_plan_before(lake: Lakehouse) -> Lakehouse:
    """B, and not A, had a line the day before, which was worth 10 less."""
    return publish(lake, planned("B", as_of=LAST - timedelta(days=1), run_id="run-1", order_qty=2.0, order_value=80.0))


def test_a_change_that_is_known_is_shown_at_once(shop: Lakehouse) -> None:
    known = [of_change("supply", 12.0, 11.5), of_change("budget", -2.0, -1.5)]
    publish(with_plan_before(shop), *known, name="gold.order_change")
    page = client(shop)
    text = page.get("/series?id=B|north|all").text
    assert "Find out why" not in text
    assert EVIL not in text
    assert text.index("Stock, orders under way, terms") < text.index("Budget and capacity")
    assert re.search(r'<th scope="row">Sum</th><td class="n strong">\+10</td><td class="n strong">\+10.00</td>', text)
    first = page.get("/").text
    moved = first[first.index("Largest changes since the plan of Fri 1 Mar 2024") :]
    assert re.findall(r'<span class="id">(.*?)</span>', moved) == ["B · north"]
    assert "Stock, orders under way, terms <b>+11.50</b>; Budget and capacity <b>-1.50</b>" in moved
    assert skus(page, "/orders?show=all&sort=moved_value")[0] == "B north"


def test_without_a_plan_to_compare_with_nothing_is_asked(page: TestClient, shop: Lakehouse) -> None:
    assert "No plan is older than this one" in page.get("/series?id=B|north|all").text
    assert "Largest changes" not in page.get("/").text
    publish(with_plan_before(shop), planned("N", last_order_qty=None))
    assert "did not know this series" in client(shop).get("/series?id=N|north|all").text


@pytest.mark.parametrize("headers", [{}, PART])
def test_what_cannot_be_explained_says_why(shop: Lakehouse, headers: dict[str, str]) -> None:
    page = client(with_plan_before(shop))
    said = {"token": token(page), "unique_id": "B|north|all"}
    answer = page.post("/change", data=said, headers=headers)
    assert answer.status_code == 500
    assert "run run-1 has no finished forecast, inventory, order: there is no plan to explain" in answer.text
    assert "Find out why</button>" in answer.text, "to be tried again"
    assert ("<html" in answer.text) == (not headers)
    refused = page.post("/change", data=said | {"token": "another"}, headers=headers)
    assert refused.status_code == 403
    assert ("<html" in refused.text) == (not headers)


def test_a_new_plan_is_shown_once_it_is_published(shop: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.page.published._LOOK_AGAIN_SECONDS", 0.0)
    page = client(shop)
    assert "Sat 2 Mar 2024" in page.get("/").text
    publish(shop, planned("Z", as_of=LAST + timedelta(days=1)))
    assert skus(page, "/orders") == ["Z north"]


def test_no_plan_and_wrong_addresses_say_what_to_do(lake: Lakehouse, page: TestClient) -> None:
    assert page.get("/series?id=Q|north|all").status_code == 404
    assert page.get("/nowhere").status_code == 404
    wrong = page.get("/orders?sort=sales")
    assert wrong.status_code == 400
    assert "expected one of order_rank" in wrong.text


@pytest.mark.parametrize("address", ["/", "/orders", "/results", "/decisions", "/series?id=A", "/export.csv"])
def test_without_a_plan_the_page_says_how_to_make_one(lake: Lakehouse, address: str) -> None:
    answer = client(lake).get(address)
    assert answer.status_code == 400
    assert "make one with `shelfcast run`" in answer.text


# -- writing --------------------------------------------------------------------------------------------------------
def test_an_order_is_recorded_and_shown(page: TestClient, shop: Lakehouse) -> None:
    until = LAST + timedelta(days=2)
    done = decide(page, "B|north|all", decision="order", order_qty="7.5", until=str(until))
    assert done.status_code == 303
    (row,) = decisions_for(shop, LAST + timedelta(days=1)).to_pylist()
    said = {"decision": "order", "unique_id": "B|north|all", "decided_qty": 7.5, **BY, "valid_from": LAST}
    assert row == row | said | {"valid_to": until, "check_rule": None}
    text = page.get(done.headers["location"]).text
    assert "The next run of these days goes by it" in text
    assert "by Ana" in text
    assert skus(page, "/orders?show=decided") == ["B north"]


def test_a_line_is_confirmed_and_a_decision_withdrawn(page: TestClient, shop: Lakehouse) -> None:
    assert decide(page, "B|north|all", decision="confirm").status_code == 303
    (row,) = decisions_for(shop, LAST).to_pylist()
    assert (row["decision"], row["decided_qty"], row["check_rule"]) == ("confirm", 12.0, None)
    assert decide(page, "B|north|all", decision="withdraw").status_code == 303
    assert decisions_for(shop, LAST).num_rows == 0
    assert skus(page, "/orders?show=decided") == []


def test_a_forecast_is_decided_for_days_of_demand_and_taken_back(page: TestClient, shop: Lakehouse) -> None:
    days = {"since": str(LAST + timedelta(days=2)), "until": str(LAST + timedelta(days=3))}
    done = decide(page, "B|north|all", decision="forecast_factor", expected="1.5", **days)
    assert done.status_code == 303
    said = forecasts_for(shop, LAST, LAST + timedelta(days=9)).to_pylist()
    assert [(row["ds"], row["decided_factor"], row["author"]) for row in said] == [
        (LAST + timedelta(days=k), 1.5, "Ana") for k in (2, 3)
    ]
    text = page.get(done.headers["location"]).text
    assert "<b>forecast x 1.5</b> by Ana, 2024-03-04 to 2024-03-05" in text
    assert skus(page, "/orders?show=decided") == ["B north"]
    assert "forecast x 1.5" in page.get("/decisions").text
    assert decide(page, "B|north|all", decision="forecast_units", expected="40", **days).status_code == 303
    assert {row["decided_qty"] for row in forecasts_for(shop, LAST, LAST + timedelta(days=9)).to_pylist()} == {40.0}
    assert decide(page, "B|north|all", decision="withdraw").status_code == 303
    assert forecasts_for(shop, LAST, LAST + timedelta(days=9)).num_rows == 0
    assert skus(page, "/orders?show=decided") == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"order_qty": "many"}, "expected units, found &#39;many&#39;"),
        ({"order_qty": "-1"}, "from 0 to a billion"),
        ({"order_qty": "nan"}, "from 0 to a billion"),
        ({"order_qty": "1", "note": " "}, "say who and why"),
        ({"order_qty": "1", "author": ""}, "say who and why"),
        ({"order_qty": "1", "until": "2024-02-01"}, "expected 2024-03-02 or later"),
        ({"order_qty": "1", "until": "soon"}, "expected a day as YYYY-MM-DD"),
        ({"decision": "burn"}, "expected one of order, confirm, forecast_factor"),
        ({"decision": "forecast_units", "expected": "much"}, "expected units, found &#39;much&#39;"),
        ({"decision": "forecast_factor", "expected": "1.5", "until": "2024-03-02"}, "for demand from 2024-03-03 on"),
        ({"decision": "forecast_factor", "expected": "1.5", "since": "soon"}, "from: expected a day"),
        ({"unique_id": "Q|north|all"}, "the plan has no series"),
    ],
)
def test_what_cannot_be_decided_is_refused(page: TestClient, shop: Lakehouse, said: dict[str, str], words: str) -> None:
    form = {"token": token(page), "unique_id": "B|north|all", "decision": "order", **BY} | said
    answer = page.post("/decide", data=form)
    assert answer.status_code == 400
    assert words in answer.text
    assert not shop.exists(TABLE)


@pytest.mark.parametrize("kind", ["no token", "wrong token", "no cookie", "other site", "other origin"])
@pytest.mark.parametrize("address", ["/decide", "/upload", "/change"])
def test_posts_from_elsewhere_are_refused(page: TestClient, shop: Lakehouse, address: str, kind: str) -> None:
    form = {"token": token(page), "unique_id": "B|north|all", "decision": "order", "order_qty": "1", **BY}
    headers = {"other site": {"sec-fetch-site": "cross-site"}, "other origin": {"origin": "https://evil.example"}}
    if kind == "no token":
        del form["token"]
    elif kind == "wrong token":
        form["token"] = "x" * len(form["token"])
    elif kind == "no cookie":
        page.cookies.clear()
    files = {"file": ("a.csv", b"unique_id,order_qty\nB|north|all,1\n")} if address == "/upload" else None
    answer = page.post(address, data=form, files=files, headers=headers.get(kind))
    assert answer.status_code == 403
    assert not shop.exists(TABLE)


def test_the_cookie_stays_on_the_site_and_foreign_names_are_refused(page: TestClient) -> None:
    cookie = page.get("/").headers["set-cookie"].lower()
    assert cookie.startswith(COOKIE)
    assert "samesite=strict" in cookie
    assert "httponly" in cookie
    assert page.get("/", headers={"host": "rebound.example"}).status_code == 400


def test_who_is_signed_in_decides_under_no_other_name(shop: Lakehouse) -> None:
    page = client(shop, author_header="X-Forwarded-Email")
    page.headers["X-Forwarded-Email"] = "ana@shop.example"
    assert 'value="ana@shop.example" readonly' in page.get("/series?id=B|north|all").text
    assert decide(page, "B|north|all", decision="order", order_qty="1", author="Mallory").status_code == 303
    content = b"unique_id,order_qty,author\nC|north|all,2,Mallory\n"
    assert upload(page, "a.csv", content).status_code == 303
    del page.headers["X-Forwarded-Email"]
    nobody = decide(page, "A|north|all", decision="order", order_qty="1")
    assert (nobody.status_code, "nobody is signed in" in nobody.text) == (400, True)
    assert set(decisions_for(shop, LAST)["author"].to_pylist()) == {"ana@shop.example"}


# -- uploads --------------------------------------------------------------------------------------------------------
def upload(page: TestClient, name: str, content: bytes) -> Any:
    return page.post("/upload", data={"token": token(page), **BY}, files={"file": (name, content)})


def workbook(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize("ending", ["csv", "semicolon csv", "xlsx"])
def test_a_file_of_orders_is_recorded(page: TestClient, shop: Lakehouse, ending: str) -> None:
    rows = [
        ["SKU", "Location", "order_qty", "author", "note"],
        ["A", "north", 3, "Bo", "own note"],
        ["B", "south", 0.5, "", ""],
        ["", "", "", "", ""],
    ]
    separator = ";" if ending.startswith("semicolon") else ","
    text = "\n".join(separator.join(str(cell) for cell in row) for row in rows)
    content = workbook(rows) if ending == "xlsx" else text.replace("0.5", "0,5" if separator == ";" else "0.5").encode()
    done = upload(page, f"orders.{ending.split()[-1]}", content)
    assert done.status_code == 303
    found = {row["unique_id"]: row for row in decisions_for(shop, LAST).to_pylist()}
    assert {name: (row["decided_qty"], row["author"], row["note"]) for name, row in found.items()} == {
        "A|north|all": (3.0, "Bo", "own note"),
        "B|south|all": (0.5, "Ana", "a fair in town"),
    }
    assert "2 orders recorded" in page.get(done.headers["location"]).text


def test_one_bad_row_and_nothing_is_recorded(page: TestClient, shop: Lakehouse) -> None:
    rows = ["unique_id,order_qty", "A|north|all,3", "Q,1", 'B|north|all,"1,000"', "C|north|all,-1", "A|north|all,4"]
    answer = upload(page, "a.csv", "\n".join(rows).encode())
    assert answer.status_code == 422
    for words in (
        "Row 3: expected one series of the plan, found none of SKU &#39;Q&#39;",
        "Row 4: order_qty: expected units",
        "Row 5: order_qty",
        "Row 6: A|north|all is in row 2 already",
    ):
        assert words in answer.text
    assert "Row 2:" not in answer.text
    assert not shop.exists(TABLE)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "no rows"),
        ("a.csv", b"sku,qty\nA,1\n", "found sku_id, qty"),
        ("a.csv", b"\xff\xfe\x00", "no CSV in UTF-8"),
        ("a.xlsx", b"unique_id,order_qty\nA,1\n", "no XLSX workbook"),
    ],
)
def test_a_file_that_is_none_is_refused(page: TestClient, name: str, content: bytes, words: str) -> None:
    answer = upload(page, name, content)
    assert answer.status_code == 400
    assert words in answer.text


def test_a_file_too_large_is_refused_before_it_is_read(page: TestClient) -> None:
    assert upload(page, "a.csv", b"x" * 5_200_000).status_code == 413


# -- exports --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_the_filtered_list_is_exported_without_formulas(page: TestClient, ending: str) -> None:
    answer = page.get(f"/export.{ending}?show=all&location_id=north&sort=-sku_id")
    assert f'filename="orders_{LAST}.{ending}"' in answer.headers["content-disposition"]
    read = pd.read_csv if ending == "csv" else pd.read_excel
    frame = read(io.BytesIO(answer.content))
    assert frame["SKU"].tolist() == ["E", "D", "C", "B", "A"]
    assert frame["Quantity"].tolist() == [12, 0, 1512, 12, 12]
    if ending == "csv":
        assert frame["Product"][0].startswith("'=cmd")
    else:
        cell = openpyxl.load_workbook(io.BytesIO(answer.content))["Orders"]["B2"]
        assert (cell.data_type, cell.value[:4]) == ("s", "=cmd")
    assert len(read(io.BytesIO(page.get(f"/export.{ending}?q=nothing-so").content))) == 0


# -- the command ----------------------------------------------------------------------------------------------------
def test_other_machines_are_let_in_only_when_that_is_meant(
    shop: Lakehouse, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Any] = []
    monkeypatch.setattr("uvicorn.run", lambda page, **options: served.append((page, options["host"])))
    command = ["page", "--lakehouse", shop.root]
    assert main([*command, "--host", "0.0.0.0"]) == 2
    assert "--open-to-network" in capsys.readouterr().err
    assert served == []
    assert main([*command, "--host", "0.0.0.0", "--open-to-network"]) == 0
    assert "WARNING: whoever reaches 0.0.0.0:8080" in capsys.readouterr().err
    assert main(command) == 0
    assert capsys.readouterr().err == ""
    assert [host for _, host in served] == ["0.0.0.0", "127.0.0.1"]
    assert TestClient(served[0][0], base_url="http://shop.example").get("/").status_code == 200
