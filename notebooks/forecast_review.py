# Databricks notebook source
# MAGIC %md
# MAGIC # Forecast review
# MAGIC
# MAGIC Does the forecast beat the simplest one that could be made, and what does it look like for the products that
# MAGIC matter most? Everything shown is read from tables; `shelfcast describe TABLE` explains their columns.
# MAGIC
# MAGIC Widgets (on Databricks) or environment variables `SHELFCAST_LAKEHOUSE`, `SHELFCAST_SKUS`, `SHELFCAST_AS_OF` and
# MAGIC `SHELFCAST_FIGURES` choose the lakehouse, the SKUs (or series, as `sku|location|channel`), the as-of day and
# MAGIC the folder for figures. Without them: the SKUs of the largest order value, on the latest day published.

# COMMAND ----------

from datetime import timedelta

import pandas as pd
import pyarrow.compute as pc

from jobs.views.accuracy import accuracy_by, accuracy_overall, verdict
from jobs.views.calibration import by_day_kind, calibration
from jobs.views.calibration_charts import calibration_overview
from jobs.views.day_marks import read_day_marks
from jobs.views.forecast_charts import accuracy_overview, forecast_fans
from jobs.views.series import choose_series, grouping_column, keep, read_day, read_series, review_parameters
from jobs.views.sql_tables import register_tables

# COMMAND ----------

review = review_parameters(globals().get("dbutils"))
plan = read_day(review, "gold.order_plan")
accuracy = read_day(review, "gold.forecast_accuracy")
chosen = choose_series(plan, review.skus)
tested_from, tested_days = accuracy["cutoff"].max(), int(accuracy["days"].max())
print(f"{review.lakehouse.base} as of {review.as_of}; tested on {tested_days} days after {tested_from:%Y-%m-%d}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Does it beat seasonal naive?
# MAGIC
# MAGIC The forecast made at the last cutoff whose days have all been seen is held against what was sold. Seasonal
# MAGIC naive repeats the last week. WAPE adds up the units missed on each day of each series over the units sold; bias
# MAGIC says whether the total was too high or too low; coverage should be 90% if the 90% quantile is honest. Of a
# MAGIC series that rarely sells most days equal the quantile, which is 0; such a day counts by the part of it that
# MAGIC lies below.

# COMMAND ----------

overall = accuracy_overall(accuracy)
print(verdict(overall, tested_days))
groupings = {
    column.replace("_", " "): accuracy_by(accuracy, column)
    for column in dict.fromkeys(["demand_class", grouping_column(accuracy, "model")])
}
keep(accuracy_overview(groupings, verdict(overall, tested_days)), "forecast_accuracy", review)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Do the quantiles keep their promise?
# MAGIC
# MAGIC Of all days, a share of 25% should have sold less than the 25% quantile, and so on: points on the diagonal.
# MAGIC Below it, demand ran higher than was promised, so that safety stock is too small; above it, stock is dearer
# MAGIC than need be. Promoted days are drawn apart, since where no feed states promotions ahead a forecast does not
# MAGIC know which days they are. A day that ran out of stock sold no more than there was: it says nothing of demand,
# MAGIC is drawn apart, and counts in no other line.

# COMMAND ----------

sums = calibration(review.lakehouse, accuracy)
keep(calibration_overview(sums), "forecast_calibration", review)
print(by_day_kind(sums).round(3).to_string())

# COMMAND ----------

# MAGIC %md
# MAGIC ## The fans
# MAGIC
# MAGIC Twelve weeks of units sold; a day far above the rest is marked at the upper edge with its units. The first fan
# MAGIC was made on the tested cutoff and lies over the days it did not know; the second was made on the as-of day and
# MAGIC is what the orders rest on. The dark band holds the middle half of what is expected, the light band nine days
# MAGIC in ten. Green days were, or will be, promoted; grey ones the shop is closed; holidays and events bear their
# MAGIC names. Right of the fan stand nine days in ten of the promoted and of the other days shown: where no feed
# MAGIC states promotions ahead, the fan must hold both, and is as wide as they are apart. A mean above the median is
# MAGIC no error: demand that comes in lumps has many small days and a few large ones. Seasonal naive is kept for the
# MAGIC tested cutoff alone.

# COMMAND ----------

cutoffs = [tested_from.date(), review.as_of]
first_day = min(review.as_of - timedelta(weeks=12), tested_from.date() - timedelta(weeks=1))
sales = read_series(
    review.lakehouse,
    "silver.sales_daily",
    chosen,
    ["unique_id", "ds", "y", "is_promo", "is_censored"],
    (pc.field("ds") > first_day) & (pc.field("ds") <= review.as_of),
)
demand = read_series(
    review.lakehouse,
    "forecast.demand",
    chosen,
    ["unique_id", "cutoff", "model", "ds", "mean", "p05", "p25", "p50", "p75", "p95"],
    pc.field("cutoff").isin(cutoffs),
)
champion = read_series(
    review.lakehouse,
    "forecast.champion",
    chosen,
    ["unique_id", "cutoff", "model", "rule"],
    pc.field("cutoff").isin(cutoffs),
)
marks = read_day_marks(review.lakehouse, chosen, first_day, demand["ds"].max().date())
keep(forecast_fans(chosen, sales, demand, champion, marks), "forecast_fans", review)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The same series in numbers

# COMMAND ----------

numbers = accuracy[accuracy["unique_id"].isin(chosen["unique_id"])]
columns = ["unique_id", "model", "demand_class", "actual", "forecast", "naive_forecast", "wape", "naive_wape"]
with pd.option_context("display.width", 160, "display.max_columns", None, "display.precision", 2):
    print(numbers[[*columns, "coverage_p90"]].to_string(index=False))

# COMMAND ----------

# MAGIC %md
# MAGIC ## In SQL
# MAGIC
# MAGIC Where this notebook has a Spark session, SQL cells know these tables as `gold_forecast_accuracy`,
# MAGIC `forecast_demand` and `forecast_champion` from here on.

# COMMAND ----------

if "spark" in globals():
    names = ["gold.forecast_accuracy", "forecast.demand", "forecast.champion"]
    register_tables(globals()["spark"], review.lakehouse, names)
