"""The part of `bench_page` that drives the browser, run by an interpreter that has playwright and need have no more.

Its argument is JSON: `address` of the page, `browser`, `axe` (a script's path or ''), `out` (a folder), `upload` (a
workbook), `series` (an id). Prints a JSON line per finding.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

REPEATS = 7
SIZES = {"laptop": (1440, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
AXE = "axe.run({resultTypes: ['violations']})"


def main(told: dict[str, str]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=told["browser"], args=["--no-sandbox"])
        say("browser", version=browser.version)
        measure(browser, told)
        look(browser, told)
        browser.close()


def say(what: str, **found: Any) -> None:
    print(json.dumps({"what": what, **found}), flush=True)


def timed(what: str, goal: str, acts: list[Callable[[], None]]) -> None:
    seconds = []
    for act in acts:
        started = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - started)
    worst, median = round(max(seconds), 3), round(statistics.median(seconds), 3)
    say(what, goal=goal, median_s=median, max_s=worst, times=len(seconds))


# -- seconds --------------------------------------------------------------------------------------------------------
def measure(browser: Browser, told: dict[str, str]) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page, hosts = context.new_page(), set[str]()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    orders = f"{told['address']}/orders?show=all"
    lists: list[Callable[[], None]] = [lambda: first_list(browser, orders) for _ in range(REPEATS)]
    timed("first 100 lines, a new browser's", "first list", lists)
    page.goto(orders)
    say("lines listed", lines=lines(page))
    timed("filter chosen", "interaction", [lambda value=value: choose(page, value) for value in filters(page)])
    timed("next page", "interaction", [lambda number=number: turn(page, number) for number in range(2, 2 + REPEATS)])
    timed(
        "sorted by a head", "interaction", [lambda head=head: sort(page, head) for head in ("Value", "Product", "Risk")]
    )
    timed(
        "searched", "interaction", [lambda word=word: search(page, word) for word in ("milk", "100", "no such thing")]
    )
    timed("first page", "interaction", [lambda: go(page, told["address"], "/") for _ in range(3)])
    timed("results", "interaction", [lambda: go(page, told["address"], "/results") for _ in range(3)])
    series = f"/series?id={quote(told['series'])}"
    timed("a series", "interaction", [lambda: go(page, told["address"], series) for _ in range(3)])
    timed("order decided", "", [lambda: decide(page)])
    timed("1,000 orders uploaded", "", [lambda: upload(page, told)])
    timed("list exported as Excel", "", [lambda: export(page, told, orders)])
    foreign = sorted(hosts - {urlsplit(told["address"]).netloc})
    say("hosts asked", foreign=foreign, wrong=bool(foreign))
    context.close()


def first_list(browser: Browser, address: str) -> None:
    """Nothing is cached; until 100 lines can be seen."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(address, wait_until="domcontentloaded")
    page.locator("table.lines tbody tr").nth(99).wait_for(state="attached")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    context.close()


def lines(page: Page) -> int:
    return int(page.locator(".summary b").first.inner_text().replace(",", ""))


def filters(page: Page) -> list[tuple[str, str]]:
    """Some values of every filter, one after the other."""
    found = []
    for name in ("department", "main_reason", "doubts"):
        values = page.locator(f"select#{name} option").evaluate_all("all => all.map((each) => each.value)")
        found += [(name, value) for value in [*values[1:4], ""]]
    return found


def painted(page: Page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def replaced(page: Page) -> None:
    """Until the list is another one, and is painted."""
    page.wait_for_function("() => !document.querySelector('#found').dataset.old")
    painted(page)


def choose(page: Page, choice: tuple[str, str]) -> None:
    name, value = choice
    page.evaluate("() => { document.querySelector('#found').dataset.old = '1'; }")
    page.select_option(f"select#{name}", value)
    replaced(page)
    assert page.evaluate("document.activeElement.id") in ("", name), "who filters by keyboard stays where they are"


def turn(page: Page, number: int) -> None:
    with page.expect_navigation(wait_until="domcontentloaded"):
        page.click("nav.pages a[rel=next]")
    assert page.locator("nav.pages span").inner_text().startswith(f"Page {number} of")
    painted(page)


def sort(page: Page, head: str) -> None:
    with page.expect_navigation(wait_until="domcontentloaded"):
        page.click(f"table.lines thead a:text-is('{head}')")
    assert page.locator("table.lines th[aria-sort] a").inner_text().startswith(head)


def search(page: Page, words: str) -> None:
    page.evaluate("() => { document.querySelector('#found').dataset.old = '1'; }")
    page.fill("#q", words)
    page.press("#q", "Enter")
    replaced(page)
    assert page.locator(".summary b").first.inner_text()


def go(page: Page, address: str, path: str) -> None:
    answer = page.goto(address + path, wait_until="domcontentloaded")
    assert answer
    assert answer.status == 200, answer.status


def decide(page: Page) -> None:
    page.fill("#order_qty", "7")
    page.fill("form.decide input[name=author]", "Ana Planner")
    page.fill("#note", "measured")
    page.click("form.decide button")
    page.locator(".okbox").wait_for()


def upload(page: Page, told: dict[str, str]) -> None:
    page.goto(told["address"] + "/decisions")
    page.set_input_files("#file", told["upload"])
    page.fill("form.decide input[name=author]", "Ana Planner")
    page.click("form.decide button")
    page.locator(".okbox").wait_for(timeout=120_000)


def export(page: Page, told: dict[str, str], orders: str) -> None:
    page.goto(orders)
    with page.expect_download() as found:
        page.click(".summary a:text-is('Excel')")
    path = Path(told["out"], "export.xlsx")
    found.value.save_as(path)
    path.with_suffix(".json").write_text(json.dumps({"lines": lines(page)}))


# -- looks ----------------------------------------------------------------------------------------------------------
def look(browser: Browser, told: dict[str, str]) -> None:
    """Every page in both themes and sizes: a picture, axe-core's word, whether it fits."""
    series = f"/series?id={quote(told['series'])}"
    pages = {
        "first": "/",
        "orders": "/orders",
        "filtered": "/orders?show=all&rules=any&sort=order_value",
        "none": "/orders?q=nothing-of-that-name",
        "series": series,
        "decisions": "/decisions",
        "results": "/results",
        "error": "/series?id=none",
    }
    axe = Path(told["axe"]).read_text(encoding="utf-8") if told["axe"] else ""
    for size, (width, height) in SIZES.items():
        for theme in THEMES:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
            for name, path in pages.items():
                look_at(context, told, f"{name}-{theme}-{size}", path, axe)
            context.close()


def look_at(context: BrowserContext, told: dict[str, str], name: str, path: str, axe: str) -> None:
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(told["address"] + path, wait_until="networkidle")
    page.screenshot(path=str(Path(told["out"], f"{name}.png")), full_page=True)
    too_wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    found: dict[str, Any] = {"too_wide_px": max(0, too_wide)}
    if axe:
        page.evaluate(axe)
        violations = page.evaluate(AXE)["violations"]
        kinds = [f"{each['id']} ({len(each['nodes'])}): {each['nodes'][0]['html'][:120]}" for each in violations]
        found["violations"] = kinds
    else:
        found["violations"] = "not looked for: no --axe"
    found["errors"] = [text for text in errors if "status of 404" not in text]
    wrong = bool(too_wide > 0 or (axe and found["violations"]) or found["errors"])
    say(name, **found, **({"wrong": True} if wrong else {}))
    page.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
