"""The notebooks: Databricks source format, run on a finished lakehouse with Spark and without, and what they draw."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from matplotlib.axes import Axes
from matplotlib.dates import num2date
from matplotlib.figure import Figure
from matplotlib.image import imread

from jobs.pipeline import run_stages
from jobs.views.accuracy import accuracy_by, accuracy_overall, verdict
from jobs.views.charts import days_words
from jobs.views.day_marks import PROMOTED, read_day_marks
from jobs.views.forecast_charts import forecast_fans
from jobs.views.purchase_words import depot_words, purchase_words
from jobs.views.series import MOST_SERIES, ReviewParameters, choose_series, read_day, read_series, review_parameters
from jobs.views.stock_charts import cover_words, stock_projections
from jobs.views.supply_charts import supply_words
from lakehouse.delta.io import Lakehouse
from lakehouse.errors import ConfigError
from tests.jobs.run_tool import copied, day, make_context
from tests.tiny_retailer import STORES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = {
    "silver_review": ("feed_overview",),
    "sku_features": ("sku_features",),
    "forecast_review": ("forecast_accuracy", "forecast_calibration", "forecast_fans"),
    "order_review": ("order_overview", "stock_projections"),
    "policy_review": ("policy_overview",),
    "run_health": ("run_overview",),
    "season_review": ("festival_overview", "price_overview"),
    "supply_review": ("supply_overview",),
    "fulfilment_review": ("delivery_overview",),
}
NETWORK = """
assumed = true
suppliers.mill.departments = ["food"]
suppliers.shop.departments = ["food"]
suppliers.shop.cost_share = 1.2
depots.dc.locations = ["north", "south"]
lanes = [
    { from = "mill", to = "dc", days = 1 },
    { from = "shop", to = "dc", days = 0 },
    { from = "dc", to = ["north", "south"], days = 1 },
]
"""
MAY_IMPORT = {"jobs", "lakehouse", "udfs", "matplotlib", "pandas", "pyarrow"} | set(sys.stdlib_module_names)
HEADER, SEPARATOR, MAGIC = "# Databricks notebook source", "# COMMAND ----------", "# MAGIC"
AS_OF, HORIZON = day(120), 14  # the day that stock was counted
# Slow sellers and the fastest, of both stores.
SHOWN = ("S01|north|all", "S02|south|all", "S06|north|all")


@pytest.fixture(scope="module")
def finished(
    spark: SparkSession, feeds: Path, cleaned: Lakehouse, tmp_path_factory: pytest.TempPathFactory
) -> Lakehouse:
    """A lakehouse with one whole run, with prices and depots; read it, do not write to it."""
    folder = tmp_path_factory.mktemp("notebooks")
    lake, network = copied(cleaned, folder / "lake"), folder / "network.toml"
    network.write_text(NETWORK, encoding="utf-8")
    more = ("pricing.enabled=true", "fulfilment.places=generated", f"network_plan.file={network}")
    run_stages(make_context(spark, lake, feeds, AS_OF, *more))
    return lake


@pytest.fixture(scope="module")
def review(finished: Lakehouse) -> ReviewParameters:
    return ReviewParameters(finished, SHOWN, AS_OF, Path("unused"))


@pytest.fixture(scope="module")
def run_notebook(
    finished: Lakehouse, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[subprocess.CompletedProcess[str], Path]]:
    def run(name: str, **variables: str) -> tuple[subprocess.CompletedProcess[str], Path]:
        figures = tmp_path_factory.mktemp(name)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SHELFCAST_")}
        given = {"SHELFCAST_LAKEHOUSE": finished.root, "SHELFCAST_FIGURES": str(figures), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "error::UserWarning", f"notebooks/{name}.py"]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env=kept | given | variables, timeout=300, check=False
        )
        return done, figures

    return run


# -- the source ---------------------------------------------------------------------------------------------------
def format_faults(source: str) -> list[str]:
    """Where a notebook departs from the Databricks source format, or does more than read, call and show."""
    first, *lines = source.splitlines()
    faults = [] if first == HEADER else [f"line 1: {first!r} is not {HEADER!r}"]
    for number, cell in enumerate("\n".join(lines).split(f"\n{SEPARATOR}\n"), start=1):
        magic = [line for line in cell.strip().splitlines() if line.startswith(MAGIC)]
        if magic and len(magic) != len(cell.strip().splitlines()):
            faults.append(f"cell {number} mixes {MAGIC} with code")
        if magic and magic[0] != f"{MAGIC} %md":
            faults.append(f"cell {number} starts with {magic[0]!r}, not {MAGIC} %md")
        if not magic:
            ast.parse(cell)  # a cell is run by itself
        if not cell.strip():
            faults.append(f"cell {number} is empty")
    return faults + definitions(ast.parse(source))


def definitions(tree: ast.Module) -> list[str]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    return [f"line {node.lineno} defines a {type(node).__name__}" for node in ast.walk(tree) if isinstance(node, kinds)]


def imports(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    plain = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {str(node.module).split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}


def test_every_notebook_is_known_here() -> None:
    assert {path.stem for path in (ROOT / "notebooks").glob("*.py")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_source_is_a_databricks_notebook_that_defines_nothing(name: str) -> None:
    source = (ROOT / "notebooks" / f"{name}.py").read_text(encoding="utf-8")
    assert format_faults(source) == []
    assert imports(source) <= MAY_IMPORT
    assert "jobs" in imports(source)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import os\n", "line 1"),
        (f"{HEADER}\n{MAGIC} %md\n{MAGIC} text\nx = 1\n", "mixes"),
        (f"{HEADER}\n{MAGIC} text\n", "not # MAGIC %md"),
        (f"{HEADER}\nx = 1\n\n{SEPARATOR}\n\n{SEPARATOR}\ny = 1\n", "empty"),
        (f"{HEADER}\ndef f():\n    return 1\n", "FunctionDef"),
        (f"{HEADER}\nf = lambda: 1\n", "Lambda"),
        (f"{HEADER}\nclass A:\n    pass\n", "ClassDef"),
    ],
)
def test_the_check_sees_what_is_wrong(source: str, fault: str) -> None:
    assert any(fault in found for found in format_faults(source))


# -- the run ------------------------------------------------------------------------------------------------------
def is_drawn(path: Path) -> bool:
    """Whether each quarter of a picture has something on it."""
    pixels = imread(path)[..., :3]
    rows, columns = pixels.shape[0] // 2, pixels.shape[1] // 2
    quarters = [pixels[r : r + rows, c : c + columns] for r in (0, rows) for c in (0, columns)]
    return all(quarter.var() > 1e-3 for quarter in quarters)


def test_an_empty_picture_counts_as_not_drawn(tmp_path: Path) -> None:
    Figure(figsize=(8, 6)).savefig(tmp_path / "blank.png")
    assert not is_drawn(tmp_path / "blank.png")


def executed(name: str, given: dict[str, object]) -> None:
    """The notebook's cells in the names that are given, as a notebook or a script has them."""
    source = (ROOT / "notebooks" / f"{name}.py").read_text(encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", FutureWarning)
        exec(compile(source, name, "exec"), {"__name__": "__main__"} | given)


def check_figures(name: str, figures: Path, told: str) -> None:
    assert {path.stem for path in figures.iterdir()} == set(NOTEBOOKS[name])
    for path in figures.iterdir():
        assert is_drawn(path), path.name
        assert str(path) in told
    assert str(AS_OF) in told


@pytest.mark.slow
def test_a_notebook_runs_as_a_script(run_notebook: Callable) -> None:
    done, figures = run_notebook("order_review")
    assert done.returncode == 0, done.stderr
    check_figures("order_review", figures, done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs_without_spark_and_draws_its_figures(
    name: str,
    finished: Lakehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("SHELFCAST_SKUS", raising=False)
    monkeypatch.setenv("SHELFCAST_LAKEHOUSE", finished.root)
    monkeypatch.setenv("SHELFCAST_FIGURES", str(tmp_path))
    executed(name, {})
    check_figures(name, tmp_path, capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs_where_spark_and_widgets_are_given(
    name: str, spark: SparkSession, finished: Lakehouse, tmp_path: Path
) -> None:
    """As on Databricks: every table that the text names for SQL cells is one, and is the lakehouse's."""
    dbutils = Dbutils(lakehouse=finished.root, skus="S06|north|all", figures=str(tmp_path))
    session = spark.newSession()
    executed(name, {"spark": session, "dbutils": dbutils})
    assert {path.stem for path in tmp_path.iterdir()} == set(NOTEBOOKS[name])
    source = (ROOT / "notebooks" / f"{name}.py").read_text(encoding="utf-8")
    named = re.findall(r"`((?:gold|ops|silver|features|forecast|inventory|pricing|network|fulfilment)_\w+)`", source)
    views = {view["tableName"] for view in session.sql("SHOW TABLES").collect() if view["isTemporary"]}
    there = {view for view in named if finished.exists(view.replace("_", ".", 1))}
    assert there
    assert views == there
    if name == "order_review":
        (rows,) = session.sql("SELECT count(*), sum(eoq(order_qty + 1, 1, 1)) > 0 FROM gold_order_plan").collect()
        assert tuple(rows) == (finished.rows("gold.order_plan"), True)


@pytest.mark.slow
def test_a_sku_that_is_not_there_ends_with_its_name(run_notebook: Callable) -> None:
    done, figures = run_notebook("order_review", SHELFCAST_SKUS="S01,NOPE")
    assert done.returncode != 0
    assert "expected SKUs or series of the order plan, found NOPE" in done.stderr
    assert list(figures.iterdir()) == []


# -- what is chosen -----------------------------------------------------------------------------------------------
class Widgets:
    """Notebook widgets as Databricks has them: a text box keeps what a person typed, else its default."""

    def __init__(self, typed: dict[str, str]) -> None:
        self.typed, self.defaults = typed, {}

    def text(self, name: str, default: str, label: str) -> None:
        assert label
        self.defaults[name] = default

    def get(self, name: str) -> str:
        return self.typed.get(name, self.defaults[name])


class Dbutils:
    def __init__(self, **typed: str) -> None:
        self.widgets = Widgets(typed)


@pytest.mark.slow
def test_parameters_come_from_widgets_before_the_environment(
    finished: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELFCAST_LAKEHOUSE", finished.root)
    monkeypatch.setenv("SHELFCAST_SKUS", "S01")
    assert review_parameters().skus == ("S01",)
    assert review_parameters().as_of == AS_OF
    typed = review_parameters(Dbutils(skus=" S02, S03|north|all ", as_of=str(AS_OF)))
    assert typed.skus == ("S02", "S03|north|all")
    assert typed.lakehouse == finished
    with pytest.raises(ConfigError, match="expected a published day"):
        review_parameters(Dbutils(as_of="2020-01-01"))
    with pytest.raises(ConfigError, match="expected a day as YYYY-MM-DD"):
        review_parameters(Dbutils(as_of="yesterday"))
    with pytest.raises(ConfigError, match="no order plan"):
        review_parameters(Dbutils(lakehouse="nowhere"))


@pytest.mark.slow
def test_series_are_those_of_the_largest_order_value_or_those_named(review: ReviewParameters) -> None:
    plan = read_day(review, "gold.order_plan")
    largest = sorted(plan.to_dict("records"), key=lambda row: (-row["order_value"], row["unique_id"]))
    skus = list(dict.fromkeys(row["sku_id"] for row in largest))[:4]
    chosen = choose_series(plan, ())
    assert chosen["sku_id"].tolist() == skus
    assert chosen["order_value"].is_monotonic_decreasing
    assert set(choose_series(plan, ["S01"])["unique_id"]) == {"S01|north|all", "S01|south|all"}
    assert set(choose_series(plan, SHOWN)["unique_id"]) == set(SHOWN)
    with pytest.raises(ConfigError, match=f"at most {MOST_SERIES} series, found 12"):
        choose_series(plan, sorted(set(plan["sku_id"])))


@pytest.mark.slow
def test_only_the_chosen_series_are_read(review: ReviewParameters) -> None:
    chosen = choose_series(read_day(review, "gold.order_plan"), SHOWN)
    sales = read_series(review.lakehouse, "silver.sales_daily", chosen, ["unique_id", "ds", "y"])
    whole = review.lakehouse.read_arrow("silver.sales_daily", columns=["unique_id", "ds", "y"]).to_pandas()
    expected = whole[whole["unique_id"].isin(SHOWN)].sort_values(["unique_id", "ds"])
    assert sales["y"].tolist() == expected["y"].tolist()
    assert set(sales["unique_id"]) == set(SHOWN)


def words_of(axes: Axes) -> str:
    return " ".join(text.get_text() for text in axes.texts)


# -- what is drawn ------------------------------------------------------------------------------------------------
def drawn(figure: Figure, panel: int, label: str) -> list[tuple[object, float]]:
    """(day, value) of each point of the lines of one name."""
    lines = [line for line in figure.axes[panel].get_lines() if line.get_label() == label]
    points = [zip(line.get_xdata(orig=False), line.get_ydata(), strict=True) for line in lines]
    return [(num2date(x).date(), float(y)) for line in points for x, y in line]


@pytest.mark.slow
def test_projected_stock_is_the_ledger_of_the_days(review: ReviewParameters) -> None:
    plan = read_day(review, "gold.order_plan")
    chosen = choose_series(plan, SHOWN)
    policy = read_series(
        review.lakehouse,
        "inventory.policy",
        chosen,
        ["unique_id", "lead_time_days", "review_days", "demand_sd", "demand_p90"],
    )
    at_as_of = pc.field("cutoff") == review.as_of
    columns = ["unique_id", "model", "ds", "mean", "sd"]
    demand = read_series(review.lakehouse, "forecast.demand", chosen, columns, at_as_of)
    summed = ["unique_id", "days", "mean", "p90"]
    lead_time = read_series(review.lakehouse, "forecast.lead_time_demand", chosen, summed, at_as_of)
    figure = stock_projections(chosen, policy, lead_time)
    assert len(figure.axes) == len(SHOWN)
    assert chosen["order_qty"].gt(0).any()
    for panel, row in enumerate(chosen.itertuples()):
        made = demand[(demand["unique_id"] == row.unique_id) & (demand["model"] == row.model)]
        stock, ledger = row.position_qty, [(AS_OF, row.position_qty)]
        for ds, mean in zip(made["ds"].dt.date, made["mean"], strict=True):
            stock -= mean
            ledger.append((ds, stock))
            if row.order_qty > 0 and ds == row.expected_receipt_ds.date():
                stock += row.order_qty
                ledger.append((ds, stock))
        found = drawn(figure, panel, "stock at expected demand")
        assert [ds for ds, _ in found] == [ds for ds, _ in ledger]
        assert [value for _, value in found] == pytest.approx([value for _, value in ledger])
        fast = dict(drawn(figure, panel, "stock if demand runs at its 90% quantile"))
        # The later of a day's two points counts, and the order arrives before the protection interval ends.
        end = AS_OF + timedelta(days=int(row.lead_time_days) + 1)
        assert fast[end] == pytest.approx(row.position_qty + row.order_qty - row.demand_p90)
        title = figure.axes[panel].get_title(loc="left").replace("\n", " ")
        assert row.headline in title
        assert cover_words(row) in title
        if row.order_qty > 0:
            assert f"{row.order_qty:,.0f} on" in words_of(figure.axes[panel])
            assert f"{days_words(row.cover_after_days)} of cover" in words_of(figure.axes[panel])


@pytest.mark.slow
def test_the_fans_are_the_champions_of_both_cutoffs(review: ReviewParameters) -> None:
    chosen = choose_series(read_day(review, "gold.order_plan"), SHOWN)
    lake = review.lakehouse
    sales = read_series(lake, "silver.sales_daily", chosen, ["unique_id", "ds", "y", "is_promo", "is_censored"])
    marks = read_day_marks(lake, chosen, day(0), AS_OF + timedelta(days=HORIZON))
    quantiles = ["mean", "p05", "p25", "p50", "p75", "p95"]
    of_both = pc.field("cutoff").isin([AS_OF - timedelta(days=HORIZON), AS_OF])
    demand = read_series(lake, "forecast.demand", chosen, ["unique_id", "cutoff", "model", "ds", *quantiles], of_both)
    champion = read_series(lake, "forecast.champion", chosen, ["unique_id", "cutoff", "model", "rule"], of_both)
    figure = forecast_fans(chosen, sales, demand, champion, marks)
    tables = {"demand": demand, "champion": champion}
    for panel, row in enumerate(chosen.itertuples()):
        expected = query(
            tables,
            f"""SELECT d.ds::DATE, d.mean FROM demand d JOIN champion c USING (unique_id, cutoff, model)
            WHERE unique_id = '{row.unique_id}' ORDER BY 1""",
        )
        assert len(expected) == 2 * HORIZON
        assert drawn(figure, panel, "forecast mean") == expected
        of_series = sales[sales["unique_id"] == row.unique_id]
        assert len(drawn(figure, panel, "units sold")) == len(of_series)
        promoted = of_series[of_series["is_promo"] == True]  # noqa: E712
        assert len(promoted) > 2
        assert drawn(figure, panel, "sold on a promoted day") == list(
            zip(promoted["ds"].dt.date, promoted["y"], strict=True)
        )
        bands = [patch for patch in figure.axes[panel].patches if patch.get_label() == PROMOTED]
        assert [num2date(band.get_x() + 0.5).date() for band in bands] == promoted["ds"].dt.date.tolist()
        words = figure.axes[panel].get_title(loc="left").replace("\n", " ")
        is_told = f"{len(promoted)} promoted days sold {promoted['y'].mean():,.3g} each" in words
        assert is_told == (len(promoted) >= 5)
        assert "No feed states promotions ahead" in words


def query(tables: dict[str, pd.DataFrame], sql: str) -> list[tuple]:
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.execute(sql).fetchall()


@pytest.mark.slow
def test_summed_accuracy_equals_sql_over_the_days_themselves(review: ReviewParameters) -> None:
    accuracy = read_day(review, "gold.forecast_accuracy")
    lake = review.lakehouse
    tables = {
        "demand": lake.read_arrow("forecast.demand").to_pandas(),
        "champion": lake.read_arrow("forecast.champion").to_pandas(),
        "sales": lake.read_arrow("silver.sales_daily").to_pandas(),
        "groups": accuracy[["unique_id", "category"]],
    }
    # The benchmark is not kept again where it is the champion.
    rows = query(
        tables,
        f"""SELECT category, count(DISTINCT unique_id), sum(y), sum(abs(y - d.mean)) / sum(y),
            sum(abs(y - coalesce(n.mean, d.mean))) / sum(y), sum(d.mean) / sum(y) - 1, avg((y <= d.p90)::INT),
            avg((y < d.p90)::INT), avg((y < d.p25)::INT), avg((y <= d.p25)::INT)
        FROM champion c JOIN demand d USING (unique_id, cutoff, model) JOIN sales USING (unique_id, ds)
            JOIN groups USING (unique_id)
            LEFT JOIN demand n ON n.unique_id = d.unique_id AND n.ds = d.ds AND n.cutoff = d.cutoff
                AND n.model = 'seasonal_naive'
        WHERE c.cutoff = DATE '{AS_OF - timedelta(days=HORIZON)}' AND ds <= DATE '{AS_OF}'
        GROUP BY category ORDER BY 3 DESC""",
    )
    found = accuracy_by(accuracy, "category").reset_index()
    assert len(rows) == 2
    assert found["category"].tolist() == [row[0] for row in rows]
    shown = found.loc[:, "series":"share_below_p90"].to_numpy(dtype=float)  # type: ignore[misc]
    np.testing.assert_allclose(shown, [row[1:7] for row in rows])
    for seen, row in zip(found.to_dict("records"), rows, strict=True):  # ties count in part
        assert row[7] - 1e-9 <= seen["coverage_p90"] <= row[6] + 1e-9
        assert row[8] - 1e-9 <= seen["coverage_p25"] <= row[9] + 1e-9


def test_a_series_that_sold_nothing_still_counts_its_error() -> None:
    rows = {
        "unique_id": ["a", "b", "c"],
        "actual": [10.0, 0.0, 10.0],
        "forecast": [12.0, 4.0, 9.0],
        "naive_forecast": [10.0, 6.0, None],
        "wape": [0.5, None, 0.1],
        "naive_wape": [0.4, None, None],
        "share_below_p90": [1.0, 0.5, 0.75],
        "days": [4, 4, 4],
    }
    overall = accuracy_overall(pd.DataFrame(rows))
    assert overall["wape"] == pytest.approx((5 + 4) / 10)
    assert overall["naive_wape"] == pytest.approx((4 + 6) / 10)
    assert overall["bias"] == pytest.approx(25 / 20 - 1)
    assert overall["share_below_p90"] == pytest.approx(0.75)
    words = verdict(overall, 4)
    assert words.startswith("The forecast beats seasonal naive: over 4 days it missed by 90%")
    assert "25% more than was sold" in words
    swapped = pd.DataFrame(rows).rename(columns={"wape": "naive_wape", "naive_wape": "wape"})
    worse = swapped.rename(columns={"forecast": "naive_forecast", "naive_forecast": "forecast"}).iloc[:2]
    assert "does NOT beat" in verdict(accuracy_overall(worse), 4)
    assert "nothing to compare" in verdict(accuracy_overall(pd.DataFrame(rows).iloc[1:2]), 4)


# -- suppliers and depots ------------------------------------------------------------------------------------------
def test_terms_of_a_networks_file_stand_in_for_the_feeds_and_are_marked(finished: Lakehouse) -> None:
    plan, bought, levels = (
        finished.read_arrow(f"network.{name}").to_pandas() for name in ("purchase_plan", "purchase_order", "level")
    )
    policies = finished.read_arrow("inventory.policy").to_pandas()
    assert set(plan["unique_id"]) == set(policies["unique_id"])
    assert plan["is_offer_assumed"].all()
    assert set(plan["supplier_id"]) <= {"mill", "shop"}
    assert plan["runner_up_supplier_id"].notna().all()
    orders = finished.read_arrow("gold.order_plan").to_pandas().set_index("unique_id")
    assert orders.loc[bought["unique_id"], "reason"].str.contains("on assumed terms").all()
    assert set(levels["stage_name"]) == {"dc", *STORES}
    assert set(levels.loc[levels["stage_name"] == "dc", "stage_lead_days"]) == {1.0}, "the usual supplier comes first"
    assert "on terms that nobody has stated" in supply_words(plan, bought, levels, "USD")
    run = bought["run_id"].iloc[0]
    said = purchase_words(finished, run, "USD") + depot_words(finished, run)
    n = bought.loc[bought["purchase_qty"] > 0, "unique_id"].nunique()
    assert said.startswith(f"network.purchase_order: {n} of {len(plan)} series are bought today, from ")
    assert "WARNING: no feed states suppliers' terms (is_offer_assumed)" in said
    assert f"the depots' stock of {len(plan)} is not counted: their orders stay" in said
    assert purchase_words(finished, "another", "USD") + depot_words(finished, "another") == ""
