# Databricks notebook source
# MAGIC %md
# MAGIC # Order review
# MAGIC
# MAGIC What is to be ordered, why, and what the stock will look like if it is. Everything shown is read from tables;
# MAGIC `shelfcast describe TABLE` explains their columns.
# MAGIC
# MAGIC Widgets (on Databricks) or environment variables `SHELFCAST_LAKEHOUSE`, `SHELFCAST_SKUS`, `SHELFCAST_AS_OF` and
# MAGIC `SHELFCAST_FIGURES` choose the lakehouse, the SKUs (or series, as `sku|location|channel`), the as-of day and the
# MAGIC folder for figures. Without them: the SKUs of the largest order value, on the latest day published.

# COMMAND ----------

import pyarrow.compute as pc

from jobs.views.order_charts import order_overview, stock_projections
from jobs.views.series import choose_series, keep, read_day, read_series, review_parameters
from jobs.views.sql_functions import register

# COMMAND ----------

review = review_parameters(globals().get("dbutils"))
plan = read_day(review, "gold.order_plan")
risk = read_day(review, "gold.stock_risk")
chosen = choose_series(plan, review.skus)
print(f"{review.lakehouse.base} as of {review.as_of}: {len(plan):,} series")

# COMMAND ----------

# MAGIC %md
# MAGIC ## The order list as a whole
# MAGIC
# MAGIC Risks are ranked by what running out would cost: the demand over the lead time that today's position is expected
# MAGIC to leave unserved, at the selling price. The chance in brackets is that of running out at all. An order placed
# MAGIC today cannot change it, since it arrives after the lead time.

# COMMAND ----------

keep(order_overview(plan, risk), "order_overview", review)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The policies behind it, in money
# MAGIC
# MAGIC Cost a year of holding, ordering and lost margin: *held out* is the last replay, which did not take part in the
# MAGIC choice that it tests; the benchmark is a safety stock of z x sigma x sqrt(lead time + review).

# COMMAND ----------

value = read_day(review, "gold.policy_value")
money = ["held_out_cost", "held_out_benchmark_cost", "expected_cost", "benchmark_cost"]
by_policy = value.groupby("policy").agg(series=("unique_id", "count"), **{name: (name, "sum") for name in money})
print(by_policy.round(0).to_string())

# COMMAND ----------

# MAGIC %md
# MAGIC ## Projected stock of the chosen series
# MAGIC
# MAGIC At the end of day t the projection is
# MAGIC
# MAGIC - the stock position of the as-of day (on hand plus on order less backorders; the tables do not say on which day
# MAGIC   open orders arrive, so they count from today),
# MAGIC - less the demand of the days up to and including t: its expected value for the solid line, its 90% quantile for
# MAGIC   the dashed one,
# MAGIC - plus the quantity of this plan's order from its expected receipt on. It comes after the demand of its day, as
# MAGIC   the policy reckons; the line drops to its lowest point and then jumps.
# MAGIC
# MAGIC The 90% quantile is that of the summed demand, not the sum of daily quantiles, which no run of days would
# MAGIC reach. It is that of the forecast's sample paths (`forecast.lead_time_demand`) and meets `demand_p90` of the
# MAGIC order plan after lead time plus review. No later order is drawn, so the stock runs down after this one: past
# MAGIC the grey dashed line the next review's order would help. Demand below zero is not served in time. The
# MAGIC picture ends at the lowest level before that line. The order-up-to level is one for the position, which the
# MAGIC order reaches today; the stock itself stays below it, unless the order was rounded up to a pack or a
# MAGIC minimum.

# COMMAND ----------

policy = read_series(
    review.lakehouse,
    "inventory.policy",
    chosen,
    ["unique_id", "lead_time_days", "review_days"],
    pc.field("as_of") == review.as_of,
)
lead_time = read_series(
    review.lakehouse,
    "forecast.lead_time_demand",
    chosen,
    ["unique_id", "days", "mean", "p90"],
    pc.field("cutoff") == review.as_of,
)
keep(stock_projections(chosen, policy, lead_time), "stock_projections", review)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Stock formulas in SQL
# MAGIC
# MAGIC Where this notebook has a Spark session, SQL cells know `eoq`, `safety_stock`, `reorder_point` and
# MAGIC `newsvendor_quantity` from here on; `jobs/views/sql_functions.py` lists their parameters, and serves DuckDB as well.

# COMMAND ----------

if "spark" in globals():
    register(globals()["spark"])
