"""Measures in the words of each engine: metric views of Spark and Databricks, plain views of DuckDB."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from jobs.views.measures import SCHEMA, VIEWS, MeasureView
from lakehouse.errors import ConfigError
from lakehouse.schema.columns import COLUMNS
from lakehouse.schema.contract import sql_string
from lakehouse.schema.tables.column_groups import NO_VALUE


def statements(dialect: str, catalog: str | None = None) -> str:
    """All views of an engine as a script: one of `DIALECTS`, on Databricks in a catalog.

    Raises ConfigError for a catalog where the engine's views have none.
    """
    if catalog and dialect != "databricks":
        raise ConfigError(f"--catalog is for --sql databricks; {dialect} names tables by their schema alone")
    prefix = f"{catalog}." if catalog else ""
    script = [f"CREATE SCHEMA IF NOT EXISTS {prefix}{SCHEMA}", *DIALECTS[dialect](prefix)]
    return "".join(f"{statement};\n" for statement in script)


# -- Spark and Databricks -------------------------------------------------------------------------------------------
def spark_view(view: MeasureView, source_schema: str) -> str:
    """A metric view as open-source Spark 4.2 takes it: version 0.1, whose YAML has no comments; columns have them."""
    source = f"{source_schema}.{view.source.split('.')[1]}"
    columns = ", ".join(f"`{name}` COMMENT {sql_string(comment)}" for name, comment in view.comments())
    return _create(f"{SCHEMA}.{view.name} ({columns})\nCOMMENT {sql_string(view.comment)}", _yaml(view, "0.1", source))


def _databricks_view(view: MeasureView, prefix: str) -> str:
    return _create(f"{prefix}{SCHEMA}.{view.name}", _yaml(view, "1.1", f"{prefix}{view.source}"))


def _create(head: str, yaml: str) -> str:
    return f"CREATE OR REPLACE VIEW {head}\nWITH METRICS\nLANGUAGE YAML\nAS $$\n{yaml}\n$$"


def _yaml(view: MeasureView, version: str, source: str) -> str:
    """The definition; texts are quoted as JSON does, which is YAML too."""
    comments = {name: {"comment": text} for name, text in view.comments()} if version != "0.1" else {}
    fields = {
        "dimensions": [{"name": name, "expr": name} for name in view.dimensions],
        "measures": [{"name": measure.name, "expr": measure.expression} for measure in view.measures],
    }
    lines = [f"version: {version}", f"source: {json.dumps(source)}"]
    lines += [f"filter: {json.dumps(view.filter)}"] if view.filter else []
    lines += [f"comment: {json.dumps(view.comment)}"] if comments else []
    for kind, entries in fields.items():
        lines.append(f"{kind}:")
        for entry in entries:
            words = [
                f"{key}: {json.dumps(value)}" for key, value in {**entry, **comments.get(entry["name"], {})}.items()
            ]
            lines += [f"  - {words[0]}", *(f"    {word}" for word in words[1:])]
    return "\n".join(lines)


# -- DuckDB ---------------------------------------------------------------------------------------------------------
def duckdb_view(view: MeasureView) -> Iterator[str]:
    """Statements that make a view: rows by day, level and group, as ratios of groups do not add up to those of more."""
    parts = [_duckdb_level(view, "'all'", "'all'")]
    parts += [
        _duckdb_level(view, duckdb_string(level_name(column)), f"COALESCE({column}, {duckdb_string(NO_VALUE)})")
        for column in view.levels
    ]
    name = f"{SCHEMA}.{view.name}"
    yield f"CREATE VIEW {name} AS\n" + "\nUNION ALL\n".join(parts)
    yield f"COMMENT ON VIEW {name} IS {duckdb_string(view.comment)}"
    comments = dict(view.comments()) | {each: COLUMNS[each].comment for each in ("level", "group_name")}
    for column in (*view.keys, "level", "group_name", *(measure.name for measure in view.measures)):
        yield f"COMMENT ON COLUMN {name}.{column} IS {duckdb_string(comments[column])}"


def _duckdb_level(view: MeasureView, level: str, group: str) -> str:
    figures = ", ".join(f"{measure.expression} AS {measure.name}" for measure in view.measures)
    keys, where = ", ".join(view.keys), f" WHERE {view.filter}" if view.filter else ""
    return (
        f"SELECT {keys}, {level} AS level, {group} AS group_name, {figures} FROM {view.source}{where} "
        f"GROUP BY {keys}, {group}"
    )


def level_name(column: str) -> str:
    """What rows summed up by a column are called: as `gold.forecast_total` does."""
    return column.removesuffix("_id")


def duckdb_string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


DIALECTS: dict[str, Callable[[str], list[str]]] = {
    "spark": lambda _: [spark_view(view, "gold") for view in VIEWS],
    "databricks": lambda prefix: [_databricks_view(view, prefix) for view in VIEWS],
    "duckdb": lambda _: [statement for view in VIEWS for statement in duckdb_view(view)],
}
"""The views of every engine, names of tables and views begun with a prefix where it has catalogs."""
