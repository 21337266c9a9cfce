# Databricks notebook source
# MAGIC %md
# MAGIC # Features of a SKU
# MAGIC
# MAGIC What does a model see of a series, and when? Everything shown is read from tables; `shelfcast describe
# MAGIC features.sku_daily` explains the columns.
# MAGIC
# MAGIC Widgets (on Databricks) or environment variables `SHELFCAST_LAKEHOUSE`, `SHELFCAST_SKUS`, `SHELFCAST_AS_OF` and
# MAGIC `SHELFCAST_FIGURES` choose the lakehouse, the SKUs (or series, as `sku|location|channel`), the as-of day and
# MAGIC the folder for figures. One series is shown: the first of those named, or that of the largest order value.

# COMMAND ----------

from datetime import timedelta

import pandas as pd
import pyarrow.compute as pc

from jobs.views.day_marks import read_day_marks
from jobs.views.feature_charts import feature_panels
from jobs.views.series import choose_series, keep, read_day, read_series, review_parameters
from jobs.views.sku_features import FEATURE_COLUMNS, feature_values, point_in_time, read_groups
from jobs.views.sql_tables import register_tables

# COMMAND ----------

review = review_parameters(globals().get("dbutils"))
lake = review.lakehouse
chosen = choose_series(read_day(review, "gold.order_plan"), review.skus).head(1)
row = next(chosen.itertuples())
features = read_series(lake, "features.sku_daily", chosen, FEATURE_COLUMNS, pc.field("ds") <= review.as_of)
print(f"{lake.base} as of {review.as_of}: {row.unique_id}, {len(features):,} days of history")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Over time
# MAGIC
# MAGIC Half a year. Each value is as it was known the evening before its day: units up to the day before; price,
# MAGIC promotion and calendar, which are planned ahead, of the day itself. Green days were promoted, grey ones closed.

# COMMAND ----------

since = review.as_of - timedelta(days=182)
marks = read_day_marks(lake, chosen, since, review.as_of)
shown = features[features["ds"] > pd.Timestamp(since)]
groups = read_groups(lake, row, since, review.as_of)
keep(feature_panels(row, shown, groups, marks), "sku_features", review)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Point in time
# MAGIC
# MAGIC Lags, levels, spreads and shares made again here, from the units of earlier days alone. `differ` is 0, or a
# MAGIC feature knows more than it could have known.

# COMMAND ----------

print(point_in_time(features).to_string(index=False))

# COMMAND ----------

# MAGIC %md
# MAGIC ## What models read
# MAGIC
# MAGIC Values of the last day. Every model is given demand (`y_latent`), price and promotion, and takes of them what
# MAGIC it can use; holidays and events come from `silver.calendar`. Trees learn from all series at once, and from the
# MAGIC statistics as they are on the day after the last one known.

# COMMAND ----------

with pd.option_context("display.width", 180, "display.max_columns", None, "display.max_colwidth", 100):
    print(feature_values(features).to_string(index=False))

# COMMAND ----------

# MAGIC %md
# MAGIC ## In SQL
# MAGIC
# MAGIC Where this notebook has a Spark session, SQL cells know these tables as `features_sku_daily`,
# MAGIC `features_group_daily` and `features_sku_profile` from here on.

# COMMAND ----------

if "spark" in globals():
    names = ["features.sku_daily", "features.group_daily", "features.sku_profile"]
    register_tables(globals()["spark"], lake, names)
