# Databricks notebook source
# MAGIC %md
# MAGIC # Silver review
# MAGIC
# MAGIC What became of the feeds: is every source row accounted for, what was set aside and why, which values are
# MAGIC doubtful, which days are late or missing? Everything shown is read from tables; `shelfcast describe TABLE`
# MAGIC explains their columns, `docs/cleaning.md` the rules.
# MAGIC
# MAGIC Widgets (on Databricks) or environment variables `SHELFCAST_LAKEHOUSE`, `SHELFCAST_AS_OF` and
# MAGIC `SHELFCAST_FIGURES` choose the lakehouse, the as-of day (without it, that of the latest run) and the folder for
# MAGIC figures.

# COMMAND ----------

from datetime import timedelta

from jobs.views.feed_accounts import (
    accounts_words,
    day_words_of,
    days_of_sales,
    example_words,
    quarantine_examples,
    row_accounts,
    rule_counts,
)
from jobs.views.feed_charts import feed_overview
from jobs.views.feed_report import findings
from jobs.views.series import keep, review_parameters
from jobs.views.sql_tables import register_tables

# COMMAND ----------

review = review_parameters(globals().get("dbutils"), of="ops.run")
lake = review.lakehouse
accounts, rules = row_accounts(lake), rule_counts(lake)
days = days_of_sales(lake, review.as_of - timedelta(days=182), review.as_of)
sentence = f"{accounts_words(accounts)} {day_words_of(days, review.as_of)}"
print(f"{lake.base} as of {review.as_of}")
print(sentence)

# COMMAND ----------

# MAGIC %md
# MAGIC ## From bronze to silver
# MAGIC
# MAGIC Each row of a feed is used, quarantined by a rule, a duplicate, or out of scope (a series that sells too rarely
# MAGIC to plan). The sum is what bronze holds; `unaccounted` is 0, or something was lost.

# COMMAND ----------

print(accounts.to_string())
keep(feed_overview(accounts, rules, days, sentence), "feed_overview", review)

# COMMAND ----------

# MAGIC %md
# MAGIC ## What was set aside, with examples
# MAGIC
# MAGIC Two rows of each rule; `ops.quarantine` has them all, each with its file and row number.

# COMMAND ----------

print(example_words(quarantine_examples(lake)))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Doubtful values
# MAGIC
# MAGIC What looks wrong or was assumed (`ops.finding`), and values that could not be read (`ops.value_lost`).

# COMMAND ----------

print(findings(lake) or "No finding.")
lost = lake.read_arrow("ops.value_lost", columns=["feed", "column_name", "rows", "words"])
print(lost.to_pandas().to_string(index=False) if lost.num_rows else "Every value could be read.")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Late, missing and unknown days
# MAGIC
# MAGIC The last two weeks; `masked` series have no known demand on the day, for the reason that most of them have.

# COMMAND ----------

print(days.tail(14).to_string())

# COMMAND ----------

# MAGIC %md
# MAGIC ## In SQL
# MAGIC
# MAGIC Where this notebook has a Spark session, SQL cells know these tables as `silver_sales_daily`, `ops_quarantine`,
# MAGIC `ops_row_count`, `ops_value_lost` and `ops_finding` from here on.

# COMMAND ----------

if "spark" in globals():
    names = ["silver.sales_daily", "ops.quarantine", "ops.row_count", "ops.value_lost", "ops.finding"]
    register_tables(globals()["spark"], lake, names)
