"""What is said of a faulty mapping: file, line and key, what was expected and found, and the nearest right word."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.errors import ConfigError, SourceError
from lakehouse.feeds.feed_files import find_feed_files
from lakehouse.feeds.reading import open_feed_file
from lakehouse.feeds.sources import load_source

FINE = """\
description = "a shop"
country = "DE"
[feeds.sales]
files = ["sales.csv"]
delimiter = ";"
[feeds.sales.columns]
sku_id = "Artikel"
location_id = { const = "shop" }
ds = { column = "Datum", format = "dd.MM.yyyy" }
units = "Menge"
[clean]
gap_fill = "zero"
[[clean.rules]]
id = "deposit"
reject_when = "sku_id LIKE 'PFAND%'"
reason = "deposits are no products"
"""
OF_PYDANTIC = ("validation error", "Extra inputs", "errors.pydantic.dev", "Input should", "Value error", "type=")


def refusal(folder: Path, text: str) -> str:
    (folder / "shop.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_source(folder / "shop.toml")
    words = str(refused.value)
    assert refused.value.__cause__ is None
    assert not [word for word in OF_PYDANTIC if word in words], words
    return words.replace(f"{folder}/", "")


def changed(*changes: tuple[str, str]) -> str:
    text = FINE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # Keys, at every depth: the nearest is told, and all that are known.
        (("country", "contry"), "shop.toml:2: contry: no such key (did you mean 'country'?); known: clean, country, "),
        (("delimiter", "delimeter"), "shop.toml:5: feeds.sales.delimeter: no such key (did you mean 'delimiter'?)"),
        (("format =", "fromat ="), "shop.toml:9: feeds.sales.columns.ds.fromat: no such key (did you mean 'format'?)"),
        (("gap_fill", "gapfill"), "shop.toml:12: clean.gapfill: no such key (did you mean 'gap_fill'?)"),
        (("reason", "raeson"), "shop.toml:16: clean.rules[0].raeson: no such key (did you mean 'reason'?)"),
        (("delimiter", "zzz"), "shop.toml:5: feeds.sales.zzz: no such key; known: columns, comment, delimiter, "),
        # Feeds and columns.
        (("[feeds.sales]", "[feeds.prises]\n[feeds.sales]"), "feeds.prises: no such feed (did you mean 'prices'?)"),
        (("units =", "unit ="), "shop.toml:10: feeds.sales.columns.unit: no such column (did you mean 'units'?)"),
        (("location_id", "locationid"), "feeds.sales.columns.locationid: no such column (did you mean 'location_id'?)"),
        (
            ('files = ["sales.csv"]', 'files = "s"\nlatest_by = ["ds", "sku"]'),
            "latest_by[1]: latest_by names 'sku' (did ",
        ),
        (
            ('id = "deposit"', 'id = "d"\nfeed = "saels"'),
            "shop.toml:15: clean.rules[0].feed: no such feed in this mapping: ",
        ),
        (
            ('files = ["sales.csv"]', 'files = "s"\nmelt = { prefix = "d", origin = 2024-01-01, value = "unit" }'),
            "'units'?",
        ),
        # Values.
        (
            ('"zero"', '"zeros"'),
            "shop.toml:12: clean.gap_fill: expected 'zero' or 'unknown', found 'zeros' (did you mean",
        ),
        (
            ('"DE"', '"Germany"'),
            "shop.toml:2: country: expected a code of two capital letters, such as DE, found 'Germany'",
        ),
        (('"DE"', "49"), "shop.toml:2: country: expected a text, found 49"),
        (('";"', '";;"'), "shop.toml:5: feeds.sales.delimiter: expected at most 1 character, found ';;'"),
        (
            ('units = "Menge"', "units = 3"),
            "shop.toml:10: feeds.sales.columns.units: expected a text or a table, found 3",
        ),
        (('["sales.csv"]', "7"), "shop.toml:4: feeds.sales.files: expected a list, found 7"),
        (('id = "deposit"', 'id = "De posit"'), "shop.toml:14: clean.rules[0].id: expected a name of small letters"),
        (
            ('gap_fill = "zero"', 'first_day = "soon"'),
            "shop.toml:12: clean.first_day: expected a day, such as 2024-01-31",
        ),
        (
            ('gap_fill = "zero"', "max_lost_share = 2"),
            "shop.toml:12: clean.max_lost_share: expected at most 1, found 2",
        ),
        # Notation.
        (
            ('"dd.MM.yyyy"', '"dd.mm.yyyy"'),
            "shop.toml:9: feeds.sales.columns.ds.format: format = 'dd.mm.yyyy' gives no day",
        ),
        (
            ('"Menge"', '{ column = "Menge", decimal = ";" }'),
            "shop.toml:10: feeds.sales.columns.units.decimal: decimal = ';'",
        ),
        (
            ('"Menge"', '{ column = "M", thousands = "." }'),
            "feeds.sales.columns.units.thousands: thousands = '.' is the ",
        ),
        (
            ('country = "DE"', 'timezone = "Europe/Berln"'),
            "shop.toml:2: timezone: timezone = 'Europe/Berln' is not known (did ",
        ),
        (
            ("delimiter", 'encoding = "windows-1225"\ndelimiter'),
            "feeds.sales.encoding: encoding = 'windows-1225' is unknown",
        ),
        (
            ('"Menge"', '{ column = "M", language = "germanic" }'),
            "feeds.sales.columns.units.language: language = 'germanic' is not",
        ),
        # What belongs together.
        (
            ('{ const = "shop" }', '{ const = "a", column = "b" }'),
            "shop.toml:8: feeds.sales.columns.location_id: expected exactly one of column, const, expr; found [",
        ),
        (('{ const = "shop" }', "{}"), "shop.toml:8: feeds.sales.columns.location_id: expected exactly one of"),
        (
            ('{ const = "shop" }', '{ const = "a", decimal = "," }'),
            "feeds.sales.columns.location_id.decimal: decimal goes",
        ),
        # What is missing.
        (('units = "Menge"\n', ""), "shop.toml:6: feeds.sales.columns: missing required columns ['units']"),
        (
            ('reason = "deposits are no products"\n', ""),
            "shop.toml:13: clean.rules[0]: expected the key 'reason', which is",
        ),
        (('files = ["sales.csv"]\n', ""), "shop.toml:3: feeds.sales: expected the key 'files', which is missing"),
        (("country", 'name = "x"\ncountry'), "shop.toml:2: name: a source is called as its file, 'shop'; leave it out"),
    ],
)
def test_a_fault_is_told_with_line_key_and_what_is_right(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    told = refusal(tmp_path, changed(change))
    assert words in told
    first, *others = told.split("\n")
    assert all(line.strip().startswith("shop.toml:") for line in others or [first])


def test_all_faults_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = changed(("country", "contry"), ("units =", "unit ="), ('"zero"', '"zer"'), ("reason", "raison"))
    told = refusal(tmp_path, text).split("\n")
    assert told[0] == "6 faults in shop.toml:"
    lines = [line.split(": ")[0].strip() for line in told[1:]]
    assert lines == [f"shop.toml:{line}" for line in (2, 6, 10, 12, 13, 16)]


def test_a_file_without_sales_or_with_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "shop.toml: feeds: the feed 'sales' is required" in refusal(tmp_path, 'description = "x"\n')
    (tmp_path / "My Shop.toml").write_text(FINE)
    with pytest.raises(ConfigError, match=r"My Shop\.toml: name: expected a name of small letters.*found 'My Shop'"):
        load_source(tmp_path / "My Shop.toml")
    with pytest.raises(ConfigError, match=r"no source mapping .*shp\.toml \(did you mean 'shop'\?\)"):
        load_source(tmp_path / "shp.toml")


def test_a_mapping_without_a_file_names_the_key_alone(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(FINE)
    mapping = load_source(tmp_path / "shop.toml")
    assert mapping.place("feeds", "sales", "columns", "units") == f"{tmp_path}/shop.toml:10: feeds.sales.columns.units"
    again = type(mapping).model_validate(mapping.model_dump())
    assert again.place("feeds", "sales", "columns", "units") == "feeds.sales.columns.units"
    assert mapping.clauses() == {f"{tmp_path}/shop.toml:15: clean.rules[0].reject_when": "sku_id LIKE 'PFAND%'"}


def test_a_column_that_the_file_lacks_is_shown_in_the_mapping(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(changed(('"Menge"', '"Mnege"')))
    (tmp_path / "sales.csv").write_text("Artikel;Datum;Menge\n1;31.01.2024;2\n")
    mapping = load_source(tmp_path / "shop.toml")
    file = find_feed_files(mapping.feeds["sales"], tmp_path)[0]
    with pytest.raises(SourceError, match=r"'Mnege' may be 'Menge'.*shop\.toml:10: feeds\.sales\.columns\.units\)"):
        open_feed_file(file, "sales", mapping, tmp_path, lambda: pytest.fail("no expression"))


def test_two_tables_of_one_feed_are_said_without_their_content(tmp_path: Path) -> None:
    feed = '[[feeds.sales]]\nfiles = ["a.csv"]\ncolumns = { sku_id = "a" }\n'
    (tmp_path / "shop.toml").write_text(feed + feed)
    with pytest.raises(ConfigError, match=r"feeds.sales: expected a table, found 2 of them .*write it once") as refused:
        load_source(tmp_path / "shop.toml")
    assert "a.csv" not in str(refused.value)
