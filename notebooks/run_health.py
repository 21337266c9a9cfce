# Databricks notebook source
# MAGIC %md
# MAGIC # Run health
# MAGIC
# MAGIC Did the last run do all that it should, how long did it take and with how much memory, what failed, what is
# MAGIC late, and how large have the tables grown? Everything shown is read from the ledger (`ops.*`) and the tables'
# MAGIC logs; a run that never came to publish is shown as well.
# MAGIC
# MAGIC Widgets (on Databricks) or environment variables `SHELFCAST_LAKEHOUSE`, `SHELFCAST_AS_OF` and
# MAGIC `SHELFCAST_FIGURES` choose the lakehouse, the as-of day (without it, that of the latest run) and the folder for
# MAGIC figures.

# COMMAND ----------

from jobs.views.run_charts import run_overview
from jobs.views.run_health import (
    days_held,
    failures_of,
    health_words,
    stages_of,
    table_sizes,
    unit_troubles,
    units_of,
)
from jobs.views.series import keep, review_parameters
from jobs.views.sql_tables import register_tables

# COMMAND ----------

review = review_parameters(globals().get("dbutils"), of="ops.run")
lake = review.lakehouse
stages = stages_of(lake, review.as_of)
run_id = stages["run_id"].iloc[0]
units = units_of(lake, run_id)
sentence = health_words(lake, stages, units)
print(f"{lake.base} as of {review.as_of}")
print(sentence)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Time, memory and size
# MAGIC
# MAGIC Stages that found their result done already are as they last ran. Memory is that of all processes together.

# COMMAND ----------

sizes = table_sizes(lake)
keep(run_overview(stages, units, sizes, sentence), "run_overview", review)

# COMMAND ----------

# MAGIC %md
# MAGIC ## What failed
# MAGIC
# MAGIC Series that failed are named in `ops.failure` with the fallback that was used in their place; units that failed
# MAGIC are tried again by the same command.

# COMMAND ----------

failures = failures_of(lake, run_id)
print(failures.to_string(index=False) if len(failures) else "ops.failure names nothing of this run.")
troubles = unit_troubles(units)
print(troubles.to_string(index=False) if len(troubles) else "Every unit succeeded at its first attempt.")

# COMMAND ----------

# MAGIC %md
# MAGIC ## What is late
# MAGIC
# MAGIC The last day that each table holds, as `ops.held` has it, and how far that lies behind the as-of day.

# COMMAND ----------

print(days_held(lake, review.as_of).to_string(index=False))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Every table
# MAGIC
# MAGIC Where this notebook has a Spark session, SQL cells know the ledger as `ops_run`, `ops_run_unit` and
# MAGIC `ops_failure`.

# COMMAND ----------

print(sizes.round(2).to_string(index=False))
if "spark" in globals():
    register_tables(globals()["spark"], lake, ["ops.run", "ops.run_unit", "ops.failure"])
