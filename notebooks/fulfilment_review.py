# Databricks notebook source
# MAGIC %md
# MAGIC # Deliveries
# MAGIC
# MAGIC What is brought where and when, what stays behind and why, and what the routes save?
# MAGIC Everything shown is read from tables; `shelfcast describe TABLE` explains their columns.
# MAGIC
# MAGIC Widgets (on Databricks) or environment variables `SHELFCAST_LAKEHOUSE`, `SHELFCAST_AS_OF` and
# MAGIC `SHELFCAST_FIGURES` choose the lakehouse, the as-of day (without it, the latest published) and the folder for
# MAGIC figures.

# COMMAND ----------

from jobs.views.fulfilment_charts import delivery_overview
from jobs.views.series import keep, read_day, read_run, review_parameters
from jobs.views.sql_tables import register_tables

# COMMAND ----------

review = review_parameters(globals().get("dbutils"))
orders = read_day(review, "gold.order_plan")
run, currency = orders["run_id"].iloc[0], orders["currency"].iloc[0]
tables = ("fulfilment.shipment", "fulfilment.stop", "fulfilment.vehicle", "fulfilment.depot_day", "fulfilment.unserved")
shipments, stops, vehicles, days, unserved = (read_run(review, name, run) for name in tables)
print(f"{review.lakehouse.base} as of {review.as_of}: {len(shipments):,} shipments, {len(stops):,} stops")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Where, when, and at what cost
# MAGIC
# MAGIC The largest depot-day as a map and a timetable; all of them beside routes to the nearest place next and by savings.

# COMMAND ----------

keep(delivery_overview(shipments, stops, vehicles, days, currency), "delivery_overview", review)

# COMMAND ----------

# MAGIC %md
# MAGIC ## What stays behind
# MAGIC
# MAGIC The dearest shipments that no vehicle brings, why, and the smallest change that would let one.

# COMMAND ----------

dearest = unserved.nlargest(10, "order_value")
words = (f"{row.shipment_id} ({row.order_value:,.0f} {currency}): {row.reason}" for row in dearest.itertuples())
print("\n".join(words) or "Nothing.")

# COMMAND ----------

# MAGIC %md
# MAGIC ## In SQL
# MAGIC
# MAGIC Where this notebook has a Spark session, SQL cells know these tables as `fulfilment_shipment`,
# MAGIC `fulfilment_stop`, `fulfilment_vehicle`, `fulfilment_depot_day` and `fulfilment_unserved` from here on.

# COMMAND ----------

if "spark" in globals():
    register_tables(globals()["spark"], review.lakehouse, [name for name in tables if review.lakehouse.exists(name)])
