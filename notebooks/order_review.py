# Databricks notebook source
# MAGIC %md
# MAGIC # Order review
# MAGIC
# MAGIC What is to be ordered, why, and what the stock will look like if it is. Everything shown is read from tables;
# MAGIC `shelfcast describe TABLE` explains their columns.
# MAGIC
# MAGIC Widgets (on Databricks) or environment variables `SHELFCAST_LAKEHOUSE`, `SHELFCAST_SKUS`, `SHELFCAST_AS_OF` and
# MAGIC `SHELFCAST_FIGURES` choose the lakehouse, the SKUs (or series, as `sku|location|channel`), the as-of day and
# MAGIC the folder for figures. Without them: the SKUs of the largest order value, on the latest day published.

# COMMAND ----------

import pyarrow.compute as pc

from jobs.views.order_charts import largest_checks, order_overview
from jobs.views.series import choose_series, keep, read_day, read_series, review_parameters
from jobs.views.sql_functions import register
from jobs.views.sql_tables import register_tables
from jobs.views.stock_charts import stock_projections

# COMMAND ----------

review = review_parameters(globals().get("dbutils"))
plan = read_day(review, "gold.order_plan")
risk = read_day(review, "gold.stock_risk")
check = read_day(review, "gold.order_check", may_be_empty=True)
chosen = choose_series(plan, review.skus)
print(f"{review.lakehouse.base} as of {review.as_of}: {len(plan):,} series")

# COMMAND ----------

# MAGIC %md
# MAGIC ## The order list as a whole
# MAGIC
# MAGIC Risks are ranked by what running out would cost: the demand over the lead time that today's position is
# MAGIC expected to leave unserved, at the selling price. The chance in brackets is that of running out at all. An
# MAGIC order placed today cannot change it, since it arrives after the lead time. Cover is counted in ranges that
# MAGIC widen: a day more or less decides about today, a month about money that lies on the shelf. What the policies
# MAGIC behind the orders cost and serve is in `policy_review`.

# COMMAND ----------

keep(order_overview(plan, risk, check), "order_overview", review)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Lines to look at before signing
# MAGIC
# MAGIC Rules find lines that can hardly be meant: they last too long or longer than the goods keep, have no price,
# MAGIC earn nothing, or are worth far more than the series' orders usually are. `found` is what the line has, `bound`
# MAGIC what it is beyond; thresholds are `[order_check]` of the settings. `shelfcast override` confirms a line or
# MAGIC changes it.

# COMMAND ----------

print(largest_checks(check).round(1).to_string(index=False) if len(check) else "gold.order_check lists no line.")

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
# MAGIC the grey dashed line the next review's order would help. Demand below zero is not served in time. The picture
# MAGIC ends at the lowest level before that line. The order-up-to level is one for the position, which the order
# MAGIC reaches today; the stock itself stays below it, unless the order was rounded up to a pack or a minimum. The
# MAGIC blue dotted line is where stock and order end at the day's expected demand (`cover_after_days`); an order that
# MAGIC lasts beyond the picture says until when.

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
# MAGIC ## In SQL
# MAGIC
# MAGIC Where this notebook has a Spark session, SQL cells know these tables as `gold_order_plan`, `gold_order_check`
# MAGIC and `gold_stock_risk` from here on, and the stock formulas `eoq`, `safety_stock`, `reorder_point` and
# MAGIC `newsvendor_quantity`; `jobs/views/sql_functions.py` lists their parameters, and serves DuckDB as well.

# COMMAND ----------

if "spark" in globals():
    register(globals()["spark"])
    register_tables(
        globals()["spark"], review.lakehouse, ["gold.order_plan", "gold.order_check", "gold.stock_risk"]
    )
