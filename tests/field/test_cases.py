"""Situations that users met, as they lie beside the project: right, or refused with what to do, and right then."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakehouse.errors import ShelfcastError
from tests.field.shop import Outcome, take_in
from tests.real_data import ROOT

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FIELD = ROOT.parent / "field"
SMALL = {"4711": 520.0, "4712": 279.0, "4713": 159.0}
FORTY_DAYS = (date(2024, 1, 1), date(2024, 2, 9))


@dataclass(frozen=True)
class Case:
    """What a case's own mapping gives: the words of a refusal, or totals; `mended` is what the words ask for.

    `mended`: (text of the mapping, what to put in its place).
    """

    name: str
    totals: dict[str, float]
    refused: str | None = None
    mended: tuple[tuple[str, str], ...] = ()
    span: tuple[date, date] | None = None
    said: dict[str, str] = field(default_factory=dict)
    as_of: date = date(2024, 2, 29)
    unknown: dict[str, int] = field(default_factory=dict)
    days: int | None = None
    products: dict[str, str] | None = None


IN_SALES = "[feeds.sales]\n"
CASES = (
    Case(
        "01_thousands_point",
        {"4711": 57_270.0, "4712": 160.0},
        r"'Menge' holds '1.205', and '2,5' beside it: that is 1205 .* decimal = \",\"",
        ((IN_SALES, IN_SALES + 'notation = { decimal = ",", thousands = "." }\n'),),
    ),
    Case(
        "02_thousands_comma_zero_days",
        {"4711": 59_670.0},
        r"unparseable_units rejected 16, such as .*row 6.*units = '1,205'.*say notation = { thousands = \",\" }",
        ((IN_SALES, IN_SALES + 'notation = { thousands = "," }\n'),),
    ),
    Case("03_trailing_delimiter", SMALL),
    Case(
        "04_report_preamble",
        SMALL,
        r"sales.csv: expected columns .* Line 4 holds them: say skip_lines = 3",
        ((IN_SALES, IN_SALES + 'skip_lines = 3\nfooter = "^Total"\n'),),
    ),
    Case("06_upc_scientific", {}, r"damaged_sku_id rejected 80, such as sales.csv row 1: sku_id is in scientific"),
    Case("08_offset_shifts_day", {"4711": 520.0, "4712": 279.0}, span=FORTY_DAYS),
    Case(
        "11_rolling_window",
        {"4711": 668.0, "4712": 362.0, "4713": 209.0},
        r"315 of their 318 rows there occur in several of them, such as in export_0.csv and export_1.csv.*latest_by",
        ((IN_SALES, IN_SALES + 'latest_by = ["sku_id", "ds"]\n'),),
        span=(date(2024, 1, 1), date(2024, 2, 20)),
    ),
    Case("13_downloaded_twice", SMALL, said={"sales.files_repeated": "counted once: sales.csv (as sales (1).csv)"}),
    Case("16_underscore_file", {"4711": 392.0, "4712": 392.0}),
    Case("17_empty_till_file", {"4711": 392.0}, said={"sales.files_empty": "till_2.csv"}),
    Case(
        "18_flags_money_signs",
        {"4711": 520.0, "4712": 279.0, "4713": 122.0},
        unknown={"4713": 9},
        said={
            "sales.values_lost": "unit_price 40 (must be a number below 1e12; found '$1,299.00')",
            "sales.rows_rejected": "found units = '-5'",
        },
    ),
    Case(
        "20_epoch_date",
        {"4711": 784.0, "4712": 424.0, "4713": 244.0},
        said={"sales.rows_rejected": "implausible_ds 1 (sales.csv row 1"},
        span=(date(2024, 1, 1), date(2024, 2, 29)),
    ),
    Case(
        "23_wide_calendar_dates",
        SMALL,
        r"where columns are named by their date, say so: melt = { format = \"yyyyMMdd\" }",
        (
            (
                'melt = { prefix = "", origin = 2024-01-01, origin_number = 20240101, value = "units" }',
                'melt = { format = "yyyyMMdd", value = "units" }',
            ),
        ),
        span=FORTY_DAYS,
    ),
    Case("24_all_rows_quarantined", {"4711": 520.0, "4712": 279.0}, span=FORTY_DAYS),
    Case(
        "30_parquet_float_codes_and_zones",
        SMALL,
        span=FORTY_DAYS,
        days=120,
        products={"4711": "Pencil", "4712": "Marker", "4713": "Tea"},
    ),
    Case(
        "38_weekly_feed_unknown",
        {"W0": 4_260.0, "W1": 8_460.0, "W2": 12_660.0},
        r"rows a week apart .*period = \"week\"",
        (("[clean]\n", '[clean]\nperiod = "week"\n'),),
        as_of=date(2025, 2, 17),
    ),
    Case(
        "39_newcomer_decimal_comma",
        {"4711": 1_343.0, "4712": 1_337.0, "4713": 1_341.0},
        said={"sales.values_lost": "unit_price 546 (must be a number below 1e12; found \"nothing from Menge = '10'"},
        as_of=date(2024, 3, 31),
    ),
)


def found_at(name: str) -> Path:
    if not (FIELD / name).is_dir():
        pytest.skip(f"the case {name} is not at {FIELD}")
    return FIELD / name


def check(case: Case, found: Outcome) -> None:
    assert found.totals == pytest.approx(case.totals, abs=1e-6)
    assert found.unknown == case.unknown
    if case.span:
        assert found.span == case.span
    if case.days:
        assert len(found.days()) == case.days
    if case.products:
        rows = found.lake.read_arrow("silver.products").to_pylist()
        assert {row["sku_id"]: row["product_name"] for row in rows} == case.products
    for key, words in case.said.items():
        assert words in found.said[key]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_is_right_or_says_what_makes_it_right(spark: SparkSession, tmp_path: Path, case: Case) -> None:
    folder = found_at(case.name)
    (mapping,) = folder.glob("*.toml")
    if case.refused is None:
        check(case, take_in(spark, folder / "in", mapping, tmp_path / "lake", case.as_of))
        return
    with pytest.raises(ShelfcastError, match=f"(?s){case.refused}"):
        take_in(spark, folder / "in", mapping, tmp_path / "refused", case.as_of)
    if case.mended:
        text = mapping.read_text(encoding="utf-8")
        for old, new in case.mended:
            assert text.count(old) == 1
            text = text.replace(old, new)
        check(case, take_in(spark, folder / "in", text, tmp_path / "lake", case.as_of))


def test_a_file_renamed_between_runs_counts_once(spark: SparkSession, tmp_path: Path) -> None:
    folder = found_at("14_renamed_between_runs")
    shutil.copytree(folder / "in", tmp_path / "in")
    for _ in range(2):
        assert take_in(spark, tmp_path / "in", folder / "map.toml", tmp_path / "lake").totals == SMALL
        for file in (tmp_path / "in").glob("sales_draft.csv"):
            file.rename(file.with_name("sales_final.csv"))


def test_a_decimal_comma_that_the_mapping_names_gives_the_prices(spark: SparkSession, tmp_path: Path) -> None:
    folder = found_at("39_newcomer_decimal_comma")
    text = (folder / "my_shop.toml").read_text(encoding="utf-8")
    mended = text.replace(
        "try_divide(try_cast(Umsatz AS DOUBLE), try_cast(Menge AS DOUBLE))",
        "try_divide(try_cast(replace(Umsatz, ',', '.') AS DOUBLE), try_cast(Menge AS DOUBLE))",
    )
    found = take_in(spark, folder / "in", mended, tmp_path / "lake", date(2024, 3, 31))
    assert "sales.values_lost" not in found.said
    assert all(row["unit_price"] is not None for row in found.days())
