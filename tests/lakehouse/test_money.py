"""Money of several currencies: turned into the source's own by the mapping's rates, refused where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.errors import ConfigError, SourceError
from lakehouse.feeds.feed_files import find_feed_files
from lakehouse.feeds.reading import open_feed_file
from lakehouse.feeds.sources import SourceMapping, load_source

COLUMNS = {"sku_id": "sku", "location_id": {"const": "S"}}
SALES = {**COLUMNS, "ds": "day", "units": "qty", "unit_price": "price", "discount_value": "off", "currency": "cur"}
FEEDS = {
    "sales": SALES,
    "prices": {**COLUMNS, "ds_from": "day", "unit_price": "price", "currency": "cur"},
    "supply": {**COLUMNS, "unit_cost": "price", "order_cost": "off", "currency": "cur"},
}


def shop(feed: str = "sales", columns: dict[str, Any] | None = None, **said: Any) -> SourceMapping:
    feeds = {"sales": {"files": ["x.csv"], "columns": SALES}}
    feeds[feed] = {"files": ["x.csv"], "delimiter": ";", "columns": columns or FEEDS[feed]}
    values = {"name": "shop", "currency": "EUR", "rates": {"USD": 0.92, "JPY": 0.0061}, "feeds": feeds, **said}
    return SourceMapping.model_validate(values)


def read(folder: Path, mapping: SourceMapping, rows: str, feed: str = "sales") -> pa.Table:
    (folder / "x.csv").write_text(f"sku;day;qty;price;off;cur\n{rows}", encoding="utf-8")
    file = find_feed_files(mapping.feeds[feed], folder)[0]
    reader = open_feed_file(file, feed, mapping, folder, lambda: pytest.fail("no SQL"))
    return pa.concat_tables(reader.tables())


def prices(table: pa.Table, *names: str) -> list[tuple[str | None, ...]]:
    return [tuple(row.values()) for row in table.select(names or ("unit_price", "currency")).to_pylist()]


def test_rows_in_the_sources_currency_stay_as_they_are(tmp_path: Path) -> None:
    rows = "A;2024-01-01;1;1.50;0;EUR\nA;2024-01-02;1;0.333333333;;eur\nA;2024-01-03;1;;; \n"
    table = read(tmp_path, shop(rates={}), rows)
    assert prices(table) == [("1.50", "EUR"), ("0.333333333", "eur"), (None, None)]


@pytest.mark.parametrize(
    ("price", "currency", "read_as"),
    [
        ("10", "USD", "9.2"),
        ("10.00", "usd", "9.2"),
        ("-10", "USD", "-9.2"),
        ("$10", "USD", "9.2"),
        ("US$ 10", "USD", "9.2"),
        ("1,000.50 USD", "USD", "920.46"),
        ("10", "$", "9.2"),
        ("1000", "¥", "6.1"),
        ("¥1000", "JPY", "6.1"),
        ("0.01", "JPY", "0.000061"),
        ("0.00001", "JPY", "0"),
        ("€10", "€", "10"),
        ("10", "", "10"),
        # A sign that contradicts the row's currency leaves the price unread, to be counted as lost.
        ("€10", "USD", "€10"),
        ("$10", "EUR", "$10"),
        ("ten", "USD", "ten"),
    ],
)
def test_money_in_another_currency_is_turned_into_the_sources(
    tmp_path: Path, price: str, currency: str, read_as: str
) -> None:
    others = "".join(f"B;2024-01-0{day};1;{day};;EUR\n" for day in range(1, 4))
    table = read(tmp_path, shop(), f"{others}A;2024-01-01;1;{price};;{currency}\n")
    assert prices(table, "unit_price")[-1] == (read_as,)
    assert prices(table, "unit_price")[:3] == [("1",), ("2",), ("3",)]


@pytest.mark.parametrize(
    ("feed", "names"),
    [("sales", ("unit_price", "discount_value")), ("prices", ("unit_price",)), ("supply", ("unit_cost", "order_cost"))],
)
def test_all_money_of_a_row_is_turned_and_nothing_else(tmp_path: Path, feed: str, names: tuple[str, ...]) -> None:
    table = read(tmp_path, shop(feed), "100;2024-01-01;100;100;50;USD\n", feed)
    assert prices(table, *names) == [("92", "46")[: len(names)]]
    assert table["sku_id"].to_pylist() == ["100"]
    if feed == "sales":
        assert table["units"].to_pylist() == ["100"]


def test_a_whole_feed_may_be_in_another_currency(tmp_path: Path) -> None:
    columns = {**FEEDS["supply"], "currency": {"const": "USD"}}
    assert prices(read(tmp_path, shop("supply", columns), "A;;;2;;\n", "supply"), "unit_cost") == [("1.84",)]


def test_the_sources_notation_holds_for_every_currency(tmp_path: Path) -> None:
    mapping = shop(notation={"decimal": ","})
    rows = "A;2024-01-01;1;1.000,50;;USD\nA;2024-01-01;1;1.000,50 €;;EUR\n"
    assert prices(read(tmp_path, mapping, rows), "unit_price") == [("920.46",), ("1000.50",)]


def test_a_melted_price_is_turned_too(tmp_path: Path) -> None:
    columns = {"sku_id": "sku", "location_id": {"const": "S"}, "ds_from": "day", "currency": "cur"}
    melt = {"prefix": "d_", "origin": "2024-01-01", "value": "unit_price"}
    values = shop().model_dump()
    values["feeds"]["prices"] = {"files": ["y.csv"], "columns": columns, "melt": melt}
    mapping = SourceMapping.model_validate(values)
    (tmp_path / "y.csv").write_text("sku,day,cur,d_1,d_2\nA,2024-01-01,USD,1,2\nB,2024-01-01,EUR,1,2\n")
    file = find_feed_files(mapping.feeds["prices"], tmp_path)[0]
    table = pa.concat_tables(open_feed_file(file, "prices", mapping, tmp_path, lambda: pytest.fail("no SQL")).tables())
    assert sorted(prices(table, "sku_id", "unit_price")) == [("A", "0.92"), ("A", "1.84"), ("B", "1"), ("B", "2")]


@pytest.mark.parametrize(
    ("currency", "words"),
    [
        (
            "GBP",
            r"its currency is 'GBP', for which .*the source's is EUR .*\[rates\] GBP = 1\.5; or currency = \"GBP\"",
        ),
        ("gbp", r"'gbp', for which .*\[rates\] GBP = 1\.5"),
        ("£", r"'£', a sign of GBP, for which .*\[rates\] GBP = 1\.5"),
        ("Fr.", r"'Fr\.', a sign of CHF, for which"),
        ("pounds", r"'pounds', which is no code or sign of one\. Correct .*drop_when"),
    ],
)
def test_a_currency_without_a_rate_is_refused_with_file_and_row(tmp_path: Path, currency: str, words: str) -> None:
    rows = f"A;2024-01-01;1;1;;EUR\nB;2024-01-01;1;1;;USD\nC;2024-01-01;1;1;;{currency}\n"
    with pytest.raises(SourceError, match=rf"x\.csv row 3: .*{words}"):
        read(tmp_path, shop(), rows)


def test_a_sign_of_several_known_currencies_is_not_guessed(tmp_path: Path) -> None:
    mapping = shop(rates={"USD": 0.92, "CAD": 0.68})
    with pytest.raises(SourceError, match=r"row 1: its currency is '\$', a sign of ARS, AUD, CAD, .*USD, for which"):
        read(tmp_path, mapping, "A;2024-01-01;1;1;;$\n")


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ("$1.50", r"'price' holds '\$1\.50', the sign of .*USD, but the source's currency is EUR.*map the feed's"),
        ("1.50 £", r"holds '1\.50 £', the sign of GBP, .*currency = \"GBP\" at the head"),
        ("CHF 1.50", r"holds 'CHF 1\.50', the sign of CHF"),
        ("(1.50 USD)", r"the sign of USD"),
    ],
)
def test_a_column_of_another_currency_is_refused(tmp_path: Path, price: str, words: str) -> None:
    columns = {name: value for name, value in SALES.items() if name != "currency"}
    with pytest.raises(SourceError, match=words):
        read(tmp_path, shop(columns=columns), f"A;2024-01-01;1;{price};;\nA;2024-01-02;1;;;\n")
    others = "".join(f"A;2024-02-{day:02d};1;{day};;\n" for day in range(1, 10))
    table = read(tmp_path, shop(columns=columns), f"{others}A;2024-01-01;1;{price};;\n")
    assert prices(table, "unit_price")[-1] == (price,), "one such cell is a value that is lost and counted"


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ("usd = 0.9", "shop.toml:3: rates.usd: expected a code of three capital letters, such as EUR"),
        ("USD = 0", "shop.toml:3: rates.USD: expected more than 0, found 0"),
        ('USD = "0,9"', "shop.toml:3: rates.USD: expected a number, found '0,9'"),
        ("USD = inf", "shop.toml:3: rates.USD: expected a finite number, found inf"),
    ],
)
def test_a_rate_that_is_none_is_refused_with_its_line(tmp_path: Path, rates: str, words: str) -> None:
    columns = 'sku_id = "a"\nlocation_id = "b"\nds = "c"\nunits = "d"\n'
    feed = f'[feeds.sales]\nfiles = "x.csv"\n[feeds.sales.columns]\n{columns}'
    (tmp_path / "shop.toml").write_text(f'currency = "EUR"\n[rates]\n{rates}\n{feed}')
    with pytest.raises(ConfigError) as refused:
        load_source(tmp_path / "shop.toml")
    assert words in str(refused.value)
