# Databricks notebook source
# MAGIC %md
# MAGIC # Seasons and prices
# MAGIC
# MAGIC What do festivals do to demand, how does it answer prices, and which prices would earn more?
# MAGIC Everything shown is read from tables; `shelfcast describe TABLE` explains their columns.
# MAGIC
# MAGIC Widgets (on Databricks) or environment variables `SHELFCAST_LAKEHOUSE`, `SHELFCAST_AS_OF` and
# MAGIC `SHELFCAST_FIGURES` choose the lakehouse, the as-of day (without it, the latest published) and the folder for
# MAGIC figures.

# COMMAND ----------

import pandas as pd

from jobs.views.season_charts import festival_overview, price_overview
from jobs.views.series import keep, read_day, read_run, review_parameters
from jobs.views.sql_tables import register_tables

# COMMAND ----------

review = review_parameters(globals().get("dbutils"))
orders = read_day(review, "gold.order_plan")
run, currency = orders["run_id"].iloc[0], orders["currency"].iloc[0]
lifts = read_run(review, "forecast.festival_lift", run)
lifts = lifts[lifts["cutoff"] == pd.Timestamp(review.as_of)]
elasticity, prices = (read_run(review, name, run) for name in ("pricing.elasticity", "pricing.price_plan"))
print(f"{review.lakehouse.base} as of {review.as_of}: {len(lifts):,} factors of days, {len(prices):,} planned prices")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Festivals
# MAGIC
# MAGIC The demand of a category on each day of a festival over what is usual for the weekday and promotion in the weeks
# MAGIC around it, as the trees of the day have learned it (`forecast.festival_lift`). Trees, exponential smoothing and
# MAGIC Theta are asked about demand without these factors; forecasts are multiplied by them. A festival that the sales
# MAGIC have not seen yet has none.

# COMMAND ----------

keep(festival_overview(lifts), "festival_overview", review)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Days beside closures
# MAGIC
# MAGIC Before and after days on which a location is closed out of the ordinary.

# COMMAND ----------

closed = lifts[lifts["festival"].isna() & (lifts["lift_factor"] != 1.0)]
print(closed.pivot_table(index="day_kind", columns="category", values="lift_factor").round(2).iloc[:, :8].to_string())

# COMMAND ----------

# MAGIC %md
# MAGIC ## Prices
# MAGIC
# MAGIC Elasticities come from all weeks of a category at once; those that a series' own weeks say little of are its
# MAGIC category's. A planned price changes nothing: `shelfcast override SKU --price` accepts one.

# COMMAND ----------

keep(price_overview(elasticity, prices, currency), "price_overview", review)

# COMMAND ----------

largest = prices.assign(gain=prices["planned_profit"] - prices["kept_profit"]).nlargest(10, "gain")
print(largest[["unique_id", "unit_price", "planned_price", "gain", "reason"]].to_string(index=False))

# COMMAND ----------

# MAGIC %md
# MAGIC ## In SQL
# MAGIC
# MAGIC Where this notebook has a Spark session, SQL cells know these tables as `forecast_festival_lift`,
# MAGIC `pricing_elasticity` and `pricing_price_plan` from here on.

# COMMAND ----------

if "spark" in globals():
    tables = ["forecast.festival_lift", "pricing.elasticity", "pricing.price_plan"]
    register_tables(globals()["spark"], review.lakehouse, [name for name in tables if review.lakehouse.exists(name)])
