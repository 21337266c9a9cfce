# Databricks notebook source
# MAGIC %md
# MAGIC # Policy review
# MAGIC
# MAGIC What do the policies behind the orders cost, what service do they give, and what would more of it cost?
# MAGIC Everything shown is read from tables; `shelfcast describe TABLE` explains their columns.
# MAGIC
# MAGIC Widgets (on Databricks) or environment variables `SHELFCAST_LAKEHOUSE`, `SHELFCAST_AS_OF` and
# MAGIC `SHELFCAST_FIGURES` choose the lakehouse, the as-of day (without it, the latest published) and the folder for
# MAGIC figures.

# COMMAND ----------

from jobs.views.frontier import service_cost
from jobs.views.policy_charts import policy_overview
from jobs.views.series import keep, read_day, review_parameters
from jobs.views.sql_tables import register_tables

# COMMAND ----------

review = review_parameters(globals().get("dbutils"))
value = read_day(review, "gold.policy_value")
money = service_cost(review.lakehouse, value["run_id"].iloc[0])
print(f"{review.lakehouse.base} as of {review.as_of}: {len(value):,} series, {money.series:,} of them replayed")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Service and money
# MAGIC
# MAGIC Every candidate policy has ordered for past days, on the forecasts of then, and met the demand that came
# MAGIC (`inventory.replay`). A square is one policy for all series. A dot lets each series take the candidate that
# MAGIC suits it, where a lost unit is reckoned to cost so many times its margin: 1x is what the settings know, more
# MAGIC stands for customers who do not come back. It was chosen by earlier replays and is judged on the last one, so
# MAGIC that hindsight promises nothing. The line is the frontier: nothing drawn serves as much for less. The star is
# MAGIC what is in use; that choice has seen this replay, so that it may lie a little below the line.
# MAGIC
# MAGIC Left of the star money is saved and demand turned away; right of it service is bought, at the price of the
# MAGIC line's slope. A star well above the line: another choice serves as much for less, within what one replay can
# MAGIC tell.
# MAGIC
# MAGIC Goods whose shelf life makes the required service spoil too many units are left to money (`is_service_required`
# MAGIC is false): they are served less, which draws the share of all down.
# MAGIC
# MAGIC *Held out* is the last replay, which did not take part in the choice that it tests; the benchmark is a safety
# MAGIC stock of z x sigma x sqrt(lead time + review).

# COMMAND ----------

keep(policy_overview(money, value), "policy_overview", review)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The same in numbers
# MAGIC
# MAGIC Money a year: first the candidates, then the choices by what a lost unit costs, in times its margin.

# COMMAND ----------

columns = ["fill_rate", "kept_cost", "replay_shortage_cost", "cost"]
print(money.policies[columns].sort_values("cost").round(3).to_string())
print(money.choices[columns].round(3).to_string())

# COMMAND ----------

# MAGIC %md
# MAGIC ## What was expected, and what the replays said
# MAGIC
# MAGIC `expected` is the cost on the forecast's sample paths of the days ahead, `held_out` that of the last replay.

# COMMAND ----------

names = ["held_out_cost", "held_out_benchmark_cost", "expected_cost", "benchmark_cost"]
by_policy = value.groupby("policy").agg(series=("unique_id", "count"), **{name: (name, "sum") for name in names})
print(by_policy.round(0).to_string())

# COMMAND ----------

# MAGIC %md
# MAGIC ## In SQL
# MAGIC
# MAGIC Where this notebook has a Spark session, SQL cells know these tables as `gold_policy_value`, `inventory_replay`
# MAGIC and `inventory_policy` from here on.

# COMMAND ----------

if "spark" in globals():
    register_tables(
        globals()["spark"], review.lakehouse, ["gold.policy_value", "inventory.replay", "inventory.policy"]
    )
