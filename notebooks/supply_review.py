# Databricks notebook source
# MAGIC %md
# MAGIC # Suppliers and depots
# MAGIC
# MAGIC From whom is each article bought and why, what is bought today, and what does a depot save?
# MAGIC Everything shown is read from tables; `shelfcast describe TABLE` explains their columns.
# MAGIC
# MAGIC Widgets (on Databricks) or environment variables `SHELFCAST_LAKEHOUSE`, `SHELFCAST_AS_OF` and
# MAGIC `SHELFCAST_FIGURES` choose the lakehouse, the as-of day (without it, the latest published) and the folder for
# MAGIC figures.

# COMMAND ----------

from jobs.views.series import keep, read_day, read_run, review_parameters
from jobs.views.sql_tables import register_tables
from jobs.views.supply_charts import supply_overview

# COMMAND ----------

review = review_parameters(globals().get("dbutils"))
orders = read_day(review, "gold.order_plan")
run, currency = orders["run_id"].iloc[0], orders["currency"].iloc[0]
tables = ("network.purchase_plan", "network.purchase_order", "network.level", "network.allocation")
plan, bought, levels, allocation = (read_run(review, name, run) for name in tables)
print(f"{review.lakehouse.base} as of {review.as_of}: {len(plan):,} series with a supplier, {len(levels):,} levels")

# COMMAND ----------

# MAGIC %md
# MAGIC ## From whom, at what cost, and what a depot saves
# MAGIC
# MAGIC A supplier is chosen by its landed price, the lines ordered and the stock that its cycle and lead time ask for.
# MAGIC Levels of depots and locations are those of two echelons; beside them stands what it would cost if each location
# MAGIC waited for the supplier by itself.

# COMMAND ----------

keep(supply_overview(plan, bought, levels, currency), "supply_overview", review)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Why this supplier
# MAGIC
# MAGIC The dearest choices, with what the runner-up would cost.

# COMMAND ----------

dearest = plan.nlargest(10, "daily_purchase_cost")
print("\n".join(f"{row.unique_id}: {row.reason}" for row in dearest.itertuples()))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Short depots
# MAGIC
# MAGIC Locations that get less than they want: only counted depots cut orders.

# COMMAND ----------

short = allocation[allocation["allocated_qty"] < allocation["wanted_qty"]]
columns = ["unique_id", "depot_name", "pool_qty", "is_pool_assumed", "wanted_qty", "allocated_qty", "next_unit_value"]
print(short[columns].nlargest(10, "next_unit_value").to_string(index=False))

# COMMAND ----------

# MAGIC %md
# MAGIC ## In SQL
# MAGIC
# MAGIC Where this notebook has a Spark session, SQL cells know these tables as `network_purchase_plan`,
# MAGIC `network_purchase_order`, `network_level` and `network_allocation` from here on.

# COMMAND ----------

if "spark" in globals():
    register_tables(globals()["spark"], review.lakehouse, [name for name in tables if review.lakehouse.exists(name)])
