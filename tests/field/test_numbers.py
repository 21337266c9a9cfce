"""Numbers and flags as tills, accountants and spreadsheets write them: read exactly, or left as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import SourceError
from lakehouse.feeds.notation import Notation
from lakehouse.feeds.number_text import plain_number
from tests.field.reading import cells, read_text

NBSP, NARROW, CURLY, MINUS = "\u00a0", "\u202f", "\u2019", "\u2212"

COMMA = {"decimal": ","}
POINT = {"decimal": "."}


@pytest.mark.parametrize(
    ("notation", "read"),
    [
        (COMMA, {"1.205,50": "1205.50", "12.345.678,9": "12345678.9", "1.205": "1205", "2,5": "2.5", "7": "7"}),
        (COMMA, {"1 205,50": "1205.50", f"1{NBSP}205,50": "1205.50", f"1{NARROW}205,50": "1205.50"}),
        (COMMA, {"1'205,50": "1205.50", f"1{CURLY}205": "1205", "0,5": "0.5", ",5": "0.5"}),
        (POINT, {"1,205.50": "1205.50", "12,345,678.9": "12345678.9", "1,205": "1205", "2.5": "2.5"}),
        (POINT, {"1'205.50": "1205.50", f"1{CURLY}205.50": "1205.50", f"1{NARROW}205.5": "1205.5"}),
        (POINT, {"1,20,500": "120500", "12,34,567.5": "1234567.5", "1,23,45,678": "12345678"}),
        ({}, {"1,205.50": "1205.50", "1 205": "1205", "1'205'300": "1205300", "1,205,300": "1205300", "2.5": "2.5"}),
        ({"thousands": "'"}, {"1'205.5": "1205.5", f"1{CURLY}205.5": "1205.5"}),
        ({"thousands": " ", **COMMA}, {f"1{NBSP}205,5": "1205.5", f"1{NARROW}205": "1205", "1 205": "1205"}),
        ({"thousands": NARROW, **COMMA}, {"1 205,5": "1205.5"}),
        ({"thousands": ",", **POINT}, {"1,205": "1205", "1,20,500": "120500"}),
    ],
)
def test_signs_between_thousands_and_before_decimals(
    tmp_path: Path, notation: dict[str, str], read: dict[str, str]
) -> None:
    assert cells(tmp_path, "units", list(read), **notation) == list(read.values())


@pytest.mark.parametrize(
    ("notation", "texts"),
    [
        (COMMA, ["1205.5", "1.20", "1.205.50", "1.205,50,1", "1,205.50", "1 20,5", "1.5E3"]),
        (POINT, ["1,20", "1205,5", "1.205,50", "1,2,3", "1,205 300", "12,34,56", "1.205.300"]),
        ({"thousands": "", **COMMA}, ["1.205", "1 205", "1.205,5"]),
        ({"thousands": " ", **COMMA}, ["1.205", "1'205,5"]),
        ({"thousands": "'"}, ["1,205.5", "1 205"]),
        ({}, ["1,2", "12%", "5 Stk", "abc", "--5", "+-5", "-(5)", "(-5)", "5-3", "1e", "e5", "--1e5", "1_0e3", "5..1"]),
        ({}, ["\uff11\uff12", "\u0663", "1e99", "Infinity", "nan", "0x10", "-", "(", "()", "."]),
    ],
)
def test_what_is_not_written_so_stays_as_it_stands(tmp_path: Path, notation: dict[str, str], texts: list[str]) -> None:
    """It is for cleaning to say what it was; a wrong number is worse than none."""
    assert cells(tmp_path, "units", texts, **notation) == texts


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("5-", "-5"), ("5 -", "-5"), ("(5)", "-5"), ("( 5 )", "-5"), (f"{MINUS}5", "-5"), ("- 5", "-5"), ("+5", "5")),
        *(("1,205.50-", "-1205.50"), ("(1,205.50)", "-1205.50"), ("0-", "0"), ("(0.00)", "0.00"), ("5+", "5")),
        *(
            ("1e3", "1000"),
            ("1.5E+3", "1500"),
            ("-2.5e-1", "-0.25"),
            ("4.00638E+12", "4006380000000"),
            ("1e3-", "-1000"),
        ),
    ],
)
def test_signs_and_exponents(tmp_path: Path, text: str, number: str) -> None:
    assert cells(tmp_path, "units", [text]) == [number]


def test_an_exponent_follows_the_decimal_sign(tmp_path: Path) -> None:
    assert cells(tmp_path, "units", ["1,5E3", "1.205E3", "2E2"], decimal=",") == ["1500", "1.205E3", "200"]


# money


@pytest.mark.parametrize(
    ("currency", "notation", "read"),
    [
        ("EUR", COMMA, {"€ 5": "5", "5 €": "5", "1.205,50 €": "1205.50", "EUR 2,5": "2.5", "2,5 Eur": "2.5"}),
        ("EUR", COMMA, {"-€5": "-5", "€-5": "-5", "5 €-": "-5", "(€5)": "-5", "€ (5)": "-5", f"{MINUS}5€": "-5"}),
        ("USD", {}, {"$1,299.00": "1299.00", "-$5": "-5", "($5.25)": "-5.25", "US$ 7": "7", "7.5 USD": "7.5"}),
        ("GBP", {}, {"£1,299.99": "1299.99", "GBP5": "5", "£0.5": "0.5"}),
        ("PLN", COMMA, {f"1{NBSP}299,00 zł": "1299.00", "5 PLN": "5"}),
        ("CHF", {}, {"CHF 1'299.00": "1299.00", "5.5 CHF": "5.5"}),
        ("INR", {}, {"₹1,20,500": "120500", "₹ 99.5": "99.5"}),
        ("SEK", COMMA, {"1 299,50 kr": "1299.50", "5 kr": "5"}),
    ],
)
def test_money_with_the_signs_of_the_sources_currency(
    tmp_path: Path, currency: str, notation: dict[str, str], read: dict[str, str]
) -> None:
    assert cells(tmp_path, "unit_price", list(read), {"currency": currency}, **notation) == list(read.values())


def test_another_currencys_sign_is_not_overlooked_and_units_have_none(tmp_path: Path) -> None:
    texts = ["$5", "5 USD", "+-5", "€$5", "5 €", "6 €", "7 €"]
    read = ["$5", "5 USD", "+-5", "€$5", "5", "6", "7"]
    assert cells(tmp_path, "unit_price", texts, {"currency": "EUR"}) == read
    assert cells(tmp_path, "units", ["€ 5", "5 EUR"], {"currency": "EUR"}) == ["€ 5", "5 EUR"]
    with pytest.raises(
        SourceError, match=r"sales\.csv: .*'cell' holds '£5', the sign of GBP.*source's currency is EUR"
    ):
        cells(tmp_path, "unit_price", ["£5", "£6"], {"currency": "EUR"})


# what may mean two numbers


@pytest.mark.parametrize(
    ("target", "texts", "shown"),
    [
        ("units", ["1.205", "3"], ["'1.205'", "that is 1205", "and 1.205"]),
        ("units", ["12.000", "2,5"], ["'12.000', and '2,5' beside it", "that is 12000", "and 12.000"]),
        ("units", ["1.205", "1.205.300"], ["'1.205', and '1.205.300' beside it", "that is 1205"]),
        ("units", ["-1.205"], ["'-1.205'", "that is -1205"]),
        ("unit_price", ["EUR 1.205", "3 EUR"], ["'EUR 1.205'"]),
        ("unit_price", ["1.299 €"], ["'1.299 €'"]),
        ("on_hand_qty", ["1.205-", "0"], ["'1.205-'"]),
    ],
)
def test_a_point_before_three_digits_is_refused_with_both_readings(
    tmp_path: Path, target: str, texts: list[str], shown: list[str]
) -> None:
    with pytest.raises(SourceError) as refused:
        cells(tmp_path, target, texts, {"currency": "EUR"})
    for words in ["sales.csv: the column 'cell' holds", *shown, 'decimal = ","', 'decimal = "."']:
        assert words in str(refused.value)
    assert cells(tmp_path, target, texts[:1], {"currency": "EUR"}, decimal=",")[0].lstrip("-") in (
        "1205",
        "12000",
        "1299",
    )
    assert cells(tmp_path, target, texts[:1], {"currency": "EUR"}, decimal=".")[0].lstrip("-") in (
        "1.205",
        "12.000",
        "1.299",
    )


def test_a_point_that_other_numbers_show_to_be_decimal_is_not_doubtful(tmp_path: Path) -> None:
    """Weights in kilograms: 0.500 and 12.5 can only have decimal points."""
    assert cells(tmp_path, "units", ["1.205", "0.500"]) == ["1.205", "0.500"]
    assert cells(tmp_path, "units", ["1.205", "12.5"]) == ["1.205", "12.5"]
    assert cells(tmp_path, "units", ["1.205", "3,400.5"]) == ["1.205", "3400.5"]
    assert cells(tmp_path, "unit_price", ["$1.205", "$.5"]) == ["1.205", "0.5"]


def test_commas_that_are_not_read_are_said_with_what_the_mapping_may_say(tmp_path: Path) -> None:
    news = {}
    for text in ("1,205", "2,5", "1.205.300"):
        found = read_text(tmp_path, f"sku;day;qty\nA;2024-01-01;{text}\n", delimiter=";")
        assert found.of("units") == [text]
        (news[text],) = found.news
    assert news == {
        "1,205": "sales.csv: the column 'qty' holds '1,205', which is not read: it is 1205 where the comma parts "
        'thousands (say notation = { thousands = "," }) and 1.205 where it parts decimals ({ decimal = "," })',
        "2,5": "sales.csv: the column 'qty' holds '2,5', which is not read; where the comma parts decimals, say "
        'notation = { decimal = "," }',
        "1.205.300": "sales.csv: the column 'qty' holds '1.205.300', which is not read; where the comma parts "
        'decimals, say notation = { decimal = "," }',
    }
    assert read_text(tmp_path, "sku;day;qty\nA;2024-01-01;2.5\n", delimiter=";").news == []


# where it is said


def test_the_column_is_heard_before_the_feed_and_the_feed_before_the_source(tmp_path: Path) -> None:
    text = "sku;day;qty;price;stock\nA;2024-01-01;1.205;1.205;1.205\n"
    columns = {"unit_price": {"column": "price", "decimal": "."}, "on_hand_qty": {"column": "stock", "thousands": ""}}
    found = read_text(tmp_path, text, columns, delimiter=";", notation={"decimal": ","})
    assert found.of("units", "unit_price", "on_hand_qty") == [("1205", "1.205", "1.205")]
    said = {"notation": {"decimal": ",", "null_values": ["-"]}}
    found = read_text(tmp_path, text.replace("1.205;1", "-;1", 1), source=said, delimiter=";")
    assert found.of("units", "unit_price") == [(None, None)]
    found = read_text(tmp_path, text, source=said, delimiter=";", notation={"decimal": "."})
    assert found.of("units") == ["1.205"]


def test_missing_values_are_blanks_and_the_words_that_the_mapping_says(tmp_path: Path) -> None:
    texts = ["", "  ", "NULL", "n/a", "-", "null", "0"]
    assert cells(tmp_path, "units", texts) == [None, None, "NULL", "n/a", "-", "null", "0"]
    assert cells(tmp_path, "units", texts, null_values=["NULL", "n/a", "-"]) == [None] * 5 + ["null", "0"]
    # A column of codes has missing values as well.
    assert cells(tmp_path, "customer_id", ["NULL", "4711"], null_values=["NULL"]) == [None, "4711"]


@pytest.mark.parametrize(
    ("notation", "message"),
    [
        ({"decimal": ";"}, "decimal = ';': expected '.' or ','"),
        ({"thousands": "_"}, "thousands = '_': expected one of"),
        ({"thousands": "."}, "thousands = '.' is the decimal sign too; say decimal as well"),
        ({"thousands": ",", "decimal": ","}, "thousands = ',' is the decimal sign too"),
        ({"true_values": ["Y"], "false_values": ["y"]}, "true_values = ['Y']: ['y'] are in false_values too"),
    ],
)
def test_a_notation_that_cannot_be_is_refused(notation: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Notation(**notation)


def test_a_number_is_plain_or_none() -> None:
    """Whatever stands there, what comes out is a number that every reader takes for the same."""
    for text in ("", " ", "-", "+", "()", "(", "--", "e", "1e1e1", "1,,205", ",", "'", "1'", "'1", "1 ", " 1", "1-2-3"):
        for notation in (Notation(), Notation(decimal=","), Notation(thousands=",")):
            for currency in (None, "EUR"):
                found = plain_number(text, notation, currency)
                assert found is None or (found == "1" and text.strip() == "1"), (text, notation, found)


# flags


@pytest.mark.parametrize(
    ("notation", "read"),
    [
        ({}, {"true": "true", "FALSE": "false", "1": "true", "0": "false", "Yes": "true", "n": "false", "T": "true"}),
        ({"true_values": ["X"], "false_values": [""]}, {"X": "true", "x": "true", "": "false", " ": "false"}),
        ({"true_values": ["J"], "false_values": ["N"]}, {"J": "true", "N": "false", "j": "true", "": None}),
        ({"true_values": ["Oui"], "false_values": ["Non"]}, {"oui": "true", "NON": "false", "1": "true"}),
        ({"true_values": ["sí"], "false_values": ["no"]}, {"SÍ": "true", "No": "false"}),
        ({"true_values": ["是"], "false_values": ["否"]}, {"是": "true", "否": "false"}),
        ({"true_values": ["1"], "false_values": ["2"]}, {"1": "true", "2": "false"}),
        ({"true_values": ["0"], "false_values": ["1"]}, {"0": "true", "1": "false"}),
        ({"null_values": ["?"]}, {"?": None, "X": "X", "2": "2", "ja": "ja"}),
    ],
)
def test_flags(tmp_path: Path, notation: dict[str, Any], read: dict[str, str | None]) -> None:
    assert cells(tmp_path, "is_promo", list(read), **notation) == list(read.values())
