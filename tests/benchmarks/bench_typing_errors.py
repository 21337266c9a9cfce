"""Typing errors planted in series of M5, from the raw file to the order: orders against those of the clean file.

    python -m tests.benchmarks.bench_typing_errors [series of each kind, 100]

Nine kinds: units x100, x1000 or a barcode in their place, on the last day, three or forty days before it. Each kind has
series of its own, sampled evenly, in one run; the clean run has the same series. An order counts as kept within 10% of
the clean one, or one unit.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from jobs.cli import main as shelfcast
from lakehouse.delta.io import Lakehouse
from tests.benchmarks import m5_data

KINDS = {"x100": 100.0, "x1000": 1000.0, "barcode": 4_006_381_333_931.0}
AGES = (0, 3, 40)
DAYS = 730


def sales(batch: m5_data.SkuBatch) -> pd.DataFrame:
    """The last `DAYS` days as rows of a sales feed, from each series' first sale on."""
    y_ST, seen_ST = batch.y_ST.numpy()[:, -DAYS:], batch.mask_ST.numpy()[:, -DAYS:]
    assert batch.known is not None
    price_ST = batch.known.values_SXK[:, : batch.y_ST.shape[1], 0].numpy()[:, -DAYS:]
    days = pd.date_range(end=pd.Timestamp(batch.cutoff), periods=y_ST.shape[1])
    of_series, of_day = np.nonzero(seen_ST)
    ids = batch.unique_ids[of_series]
    return pd.DataFrame(
        {
            "sku_id": ids,
            "location_id": "m5",
            "ds": days[of_day].date,
            "units": y_ST[of_series, of_day].astype(np.int64),
            "unit_price": price_ST[of_series, of_day],
        }
    )


def planted(rows: pd.DataFrame, n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows with errors, and which: sku_id, kind, age."""
    ids = np.sort(rows["sku_id"].unique())
    ids = ids[np.random.default_rng(7).permutation(len(ids))]
    kinds = [(kind, age) for kind in KINDS for age in AGES]
    errors = pd.DataFrame(
        [(sku, kind, age) for at, (kind, age) in enumerate(kinds) for sku in ids[at * n : (at + 1) * n]],
        columns=["sku_id", "kind", "age"],
    )
    last = rows["ds"].max()
    errors["ds"] = [last - timedelta(days=age) for age in errors["age"]]
    merged = rows.merge(errors[["sku_id", "ds", "kind"]], on=["sku_id", "ds"], how="left")
    typed = np.maximum(merged["units"], 1) * merged["kind"].map(KINDS)
    typed = typed.where(merged["kind"] != "barcode", KINDS["barcode"])
    merged["units"] = merged["units"].where(merged["kind"].isna(), typed).astype(np.int64)
    return merged.drop(columns="kind"), errors


def orders(rows: pd.DataFrame, folder: Path) -> tuple[pd.DataFrame, Lakehouse]:
    """The order plan for a feed of these rows."""
    (folder / "in").mkdir(parents=True)
    pacsv.write_csv(pa.Table.from_pandas(rows, preserve_index=False), folder / "in" / "sales.csv")
    as_of, lake = str(rows["ds"].max()), str(folder / "lake")
    if shelfcast(
        ["run", "--source", "feed_layout", "--input", str(folder / "in"), "--lakehouse", lake, "--as-of", as_of]
    ):
        raise SystemExit("the run failed")
    plan = Lakehouse(lake).read_arrow("gold.order_plan", columns=["sku_id", "order_qty"])
    return plan.to_pandas().set_index("sku_id"), Lakehouse(lake)


def main(n: int) -> None:
    rows = sales(m5_data.load(len(KINDS) * len(AGES) * n))
    wrong, errors = planted(rows, n)
    with tempfile.TemporaryDirectory() as folder:
        clean, lake = orders(rows, Path(folder) / "clean")
        touched = lake.read_arrow("silver.sales_daily", columns=["y_bound"])["y_bound"]
        print(f"clean: {len(touched) - touched.null_count:,} of {len(touched):,} days touched")
        found, lake = orders(wrong, Path(folder) / "wrong")
        masked = lake.read_arrow("silver.sales_daily", columns=["sku_id", "ds", "masked_by"]).to_pandas()
    named = masked[masked["masked_by"] == "implausible"][["sku_id", "ds"]].assign(is_named=True)
    errors = errors.merge(named, on=["sku_id", "ds"], how="left")
    one, other = (plan["order_qty"].reindex(errors["sku_id"]).to_numpy() for plan in (clean, found))
    errors["is_kept"] = np.abs(other - one) <= np.maximum(0.1 * one, 1.0)
    errors["is_named"] = errors["is_named"].notna()
    print(errors.groupby(["kind", "age"])[["is_kept", "is_named"]].mean().to_string())
    print(errors[["is_kept", "is_named"]].mean().to_string())
    print(f"units ordered: clean {one.sum():,.0f}, with errors {other.sum():,.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
