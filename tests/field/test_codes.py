"""Codes of articles and places: what tells one from another must not be lost, whoever wrote them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.errors import SourceError
from lakehouse.feeds.quality import contract_rules
from tests.field.reading import cells, read, read_text, shop


@pytest.mark.parametrize("name", ["sku_id", "location_id", "channel_id", "customer_id", "transaction_id"])
def test_a_code_is_kept_as_it_is_but_for_blanks_around_it(tmp_path: Path, name: str) -> None:
    texts = ["00123", " 4711 ", "4711\u00a0", "a-B/c", "1e5", "4006381333931", "ÄÖ 7", "-1", "1,205", "1.205", "true"]
    kept = ["00123", "4711", "4711", "a-B/c", "1e5", "4006381333931", "ÄÖ 7", "-1", "1,205", "1.205", "true"]
    assert cells(tmp_path, name, texts, {"notation": {"decimal": ","}}) == kept


def damaged(code: str) -> bool:
    (rule,) = (rule for rule in contract_rules("sales", ["sku_id"]) if rule.id == "damaged_sku_id")
    expression = re.search(r"RLIKE '(.*)'", rule.reject_when)
    assert expression
    assert "lost the code's digits; export it as text" in rule.reason
    return re.search(expression[1], code) is not None


@pytest.mark.parametrize("code", ["4.00638E+12", "4,00638E+12", "1E+15", "4.00638e+12", "9.78014312E+9"])
def test_a_code_whose_digits_a_spreadsheet_lost_is_no_code(tmp_path: Path, code: str) -> None:
    """Two articles would share it. It comes as it is written, so that the rule that rejects it can name it."""
    assert cells(tmp_path, "sku_id", [code], {"notation": {"decimal": ","}}) == [code]
    assert damaged(code)


@pytest.mark.parametrize("code", ["4006381333931", "1E5", "E+12", "4E12", "A1E+5", "12E+", "3.5E-2X", "00E+1x"])
def test_codes_that_only_look_a_little_like_it_are_codes(code: str) -> None:
    assert not damaged(code)


@pytest.mark.parametrize(
    ("codes", "read"),
    [
        (["4711.0", "12.0", "", "7.00"], ["4711", "12", None, "7"]),
        (["4711.0", "A1"], ["4711.0", "A1"]),
        (["4711.0", "4711.5"], ["4711.0", "4711.5"]),
        (["4711.0", "0815"], ["4711.0", "0815"]),
        (["4711.", "4711.0"], ["4711.", "4711.0"]),
    ],
)
def test_codes_that_a_program_took_for_numbers_are_restored_where_all_are_such(
    tmp_path: Path, codes: list[str], read: list[str | None]
) -> None:
    assert cells(tmp_path, "sku_id", codes) == read
    lines = "".join(f"{code};2024-01-01;1\n" for code in codes)
    found = read_text(tmp_path, "sku;day;qty\n" + lines, delimiter=";")
    assert found.of("sku_id") == read
    said = "sales.csv: the column 'sku' holds codes as numbers with decimals (4711.0); they were read without (4711)"
    assert found.news == ([said] if read[0] == "4711" else [])


def test_what_is_no_code_keeps_its_decimals(tmp_path: Path) -> None:
    assert cells(tmp_path, "units", ["5.0", "12.0"]) == ["5.0", "12.0"]


def test_codes_that_are_restored_at_first_and_not_later_are_refused(tmp_path: Path) -> None:
    """A long file is read in pieces; half of an article under another code would be two articles."""
    table = pa.table({"sku": ["4711.0"] * (1 << 17) + ["A1"], "day": ["2024-01-01"] * ((1 << 17) + 1)})
    pq.write_table(table.append_column("qty", pa.array([1] * table.num_rows)), tmp_path / "sales.parquet")
    with pytest.raises(SourceError, match=r"sales\.parquet: the column 'sku' holds codes written as 4711\.0 first"):
        read(tmp_path, shop())


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (pa.array([4711.0, None, 12.0]), ["4711", None, "12"]),
        (pa.array([4006381333931.0, 1e14]), ["4006381333931", "100000000000000"]),
        (pa.array([4711, 12], pa.int32()), ["4711", "12"]),
        (pa.array(["00123", "4711"]).dictionary_encode(), ["00123", "4711"]),
        (pa.array(["00123", None], pa.large_string()), ["00123", None]),
        (pa.array([4711.0, 4711.5]), ["4711", "4711.5"]),
    ],
)
def test_codes_of_parquet(tmp_path: Path, values: pa.Array, read: list[str | None]) -> None:
    count = len(values)
    pq.write_table(
        pa.table({"sku": values, "day": ["2024-01-01"] * count, "qty": [1.0] * count}), tmp_path / "sales.parquet"
    )
    assert read_parquet(tmp_path) == read


def read_parquet(folder: Path) -> list[Any]:
    return read(folder, shop()).of("sku_id")


def test_codes_that_pandas_turned_into_floats_match_the_products(tmp_path: Path) -> None:
    pd.DataFrame({"sku": [4711, None, 815], "day": "2024-01-01", "qty": [1, 2, 3]}).to_parquet(tmp_path / "s.parquet")
    (tmp_path / "products.csv").write_text("sku,name\n4711,Tea\n815,Soap\n")
    products = {"files": ["products.csv"], "columns": {"sku_id": "sku", "product_name": "name"}}
    mapping = shop(files=["s.parquet"], source={"feeds": {"products": products}})
    sold, known = read(tmp_path, mapping).of("sku_id"), read(tmp_path, mapping, "products").of("sku_id")
    assert sold == ["4711", None, "815"]
    assert set(known) == {"4711", "815"}


@pytest.mark.parametrize(
    ("column", "values", "read"),
    [
        ("qty", pa.array([1.5, float("nan"), None]), ["1.5", None, None]),
        ("qty", pa.array(["1.205,5", "(3)", None]), ["1205.5", "-3", None]),
        ("promo", pa.array([1, 2, None]), ["true", "false", None]),
        ("promo", pa.array([1.0, 2.0, 3.0]), ["true", "false", "3"]),
        ("promo", pa.array([True, False, None]), ["true", "false", None]),
        ("promo", pa.array(["J", None, "1"]), ["J", None, "true"]),
    ],
)
def test_numbers_and_flags_of_parquet(tmp_path: Path, column: str, values: pa.Array, read: list[str | None]) -> None:
    """A flag of 1 and 2 goes by the mapping's words, as everywhere."""
    plain = {"sku": ["A"] * 3, "day": ["2024-01-01"] * 3, "qty": [1] * 3, "promo": [None] * 3}
    pq.write_table(pa.table(plain | {column: values}), tmp_path / "sales.parquet")
    words = {"column": "promo", "true_values": ["1"], "false_values": ["2"]}
    found = read_all(tmp_path, {"is_promo": words})
    assert found[{"qty": "units", "promo": "is_promo"}[column]] == read


def read_all(folder: Path, columns: dict[str, Any]) -> dict[str, list[Any]]:
    found = read(folder, shop(columns, notation={"decimal": ","}))
    return {name: found.of(name) for name in ("units", "is_promo")}
