"""Pages of the documentation that the code writes itself: tables, commands, stages, settings, models and policies.

    python -m jobs.views.reference_pages docs/reference

`make docs` calls it before the site is built; the pages are kept nowhere, so that none goes stale.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from jobs.cli import command_parser
from jobs.pipeline import all_stages
from jobs.settings import conf_dir, load_settings
from jobs.stages import stage_docstrings
from jobs.views.stage_table import stage_table
from lakehouse.schema.columns import Column
from lakehouse.schema.contract import Contract
from lakehouse.schema.tables import TABLES
from udfs.forecasting import registry
from udfs.inventory.policies.policy_registry import POLICIES

SCHEMAS = {
    "bronze": "The feeds as they came",
    "silver": "Cleaned, typed, by series and day",
    "features": "What models see",
    "forecast": "Forecasts, and how they were chosen",
    "inventory": "Policies and orders",
    "gold": "What people and BI tools open",
    "ops": "What ran, and where every row went",
    "planner": "What planners decided",
}
"""What the tables of a schema are; one that is not named here is called by its name alone."""

_OF_COLUMNS = (
    "Columns of a key are bold; they and partitions are never NULL. Units are in the names: `_qty` is in units of the "
    "SKU, `_days` in days, `_cost`, `_price` and `_value` in the currency of the source. Where the meaning says "
    "otherwise, it counts."
)
_MODES = {
    "append": "Rows are added, never changed",
    "replace_partitions": "A write replaces partitions",
    "overwrite": "A write replaces the table",
    "merge": "Rows are merged by key",
}


def write_pages(folder: Path) -> list[Path]:
    """Every page below `folder`, in place of what was there; returns the files."""
    shutil.rmtree(folder, ignore_errors=True)
    written = []
    for name, text in pages().items():
        path = folder / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def pages() -> dict[str, str]:
    """Markdown by page: `commands`, `stages`, `settings`, `models`, and `tables/<schema>` for each schema."""
    schemas = dict.fromkeys(declared.schema_name for declared in TABLES.values())
    return {
        "commands": commands_page(),
        "stages": stages_page(),
        "settings": settings_page(),
        "models": models_page(),
        **{f"tables/{schema}": tables_page(schema) for schema in schemas},
    }


def tables_page(schema: str) -> str:
    """The tables of a schema: what each is, its key and partitions, and its columns."""
    declared = [each for each in TABLES.values() if each.schema_name == schema]
    listed = "\n".join(f"| [`{each.name}`](#{each.table_name}) | {_cell(each.comment)} |" for each in declared)
    head = f"# {schema}\n\n{SCHEMAS.get(schema, schema)}. {_OF_COLUMNS}\n\n| table | holds |\n|---|---|\n{listed}\n"
    return "\n".join([head, *(_table(each) for each in declared)])


def _table(declared: Contract) -> str:
    facts = f"Key: {_names(declared.key)}."
    if declared.partitions:
        facts += f" Partitions: {_names(declared.partitions)}."
    rows = "\n".join(_column(declared, column) for column in declared.declared())
    return (
        f"## `{declared.name}` {{ #{declared.table_name} }}\n\n{declared.comment}.\n\n"
        f"{facts} {_MODES[declared.mode]}.\n\n| column | type | meaning |\n|---|---|---|\n{rows}\n"
    )


def _column(declared: Contract, column: Column) -> str:
    name = f"**`{column.name}`**" if column.name in declared.key else f"`{column.name}`"
    has_check = column.check is not None and column.name not in declared.text
    meaning = f"{column.comment} (*{column.check.words()}*)" if has_check and column.check else column.comment
    return f"| {name} | {declared.sql_type(column.name).lower()} | {_cell(meaning)} |"


def commands_page() -> str:
    """The help of every command."""
    parts = ["# Commands\n\nWhat `shelfcast COMMAND --help` prints.\n"]
    for name, parser in commands(command_parser()):
        parts.append(f"## shelfcast {name}\n\n```text\n{parser.format_help().rstrip()}\n```\n")
    return "\n".join(parts)


def commands(parser: argparse.ArgumentParser, before: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command by its words, such as `run` and `serve sql`, in the order of `--help`."""
    for action in parser._actions:  # argparse offers no other way to them
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                deeper = list(commands(child, f"{before}{name} "))
                yield from deeper or [(f"{before}{name}", child)]


def stages_page() -> str:
    """Every stage: the table of `shelfcast stages`, then what its file says, what it reads and what it writes."""
    said = stage_docstrings()
    parts = [
        "# Stages\n\nIn the order in which `shelfcast run` goes through them; each is a command of its own. How they "
        "fit together is said in [the plan of the house](../architecture.md).\n\n"
        f"{stage_table(all_stages(), load_settings())}\n"
    ]
    for stage in all_stages():
        settings = _names(stage.settings) or "none"
        reads = _names(stage.tables_read()) or "the source's files"
        parts.append(
            f"## {stage.name}\n\n{said[stage.name]}\n\n"
            f"- reads: {reads}\n- writes: {_names(stage.writes)}\n- settings that change its result: {settings}\n"
        )
    return "\n".join(parts)


def settings_page() -> str:
    """`conf/base.toml` as it is."""
    return (
        "# Settings\n\nThe file `conf/base.toml`, which every run begins from. `conf/local.toml`, or the file given "
        "with `--conf`, is laid over it, and `--set key=value` over both. An unknown key is refused.\n\n"
        f"```toml\n{(conf_dir() / 'base.toml').read_text(encoding='utf-8').rstrip()}\n```\n"
    )


def models_page() -> str:
    """What settings may name: `shelfcast models`, with rung and cost."""
    models = "\n".join(
        f"| `{name}` | {_cell(registry.MODELS[name].meaning)} | {registry.MODELS[name].rung} "
        f"| {registry.MODELS[name].cost:g} |"
        for name in registry.names()
    )
    policies = "\n".join(f"| `{policy.name}` | {_cell(policy.meaning)} |" for policy in POLICIES.entries())
    return (
        "# Models and policies\n\n## Forecasting models\n\nFor `forecast.model`, `forecast.regular_candidates` and "
        "`forecast.intermittent_candidates`. The cost is seconds of one core for a forecast of a thousand series, 28 "
        "days after 391: measured for naive and local models, nominal for others. See "
        "[Add a model](../add_model.md).\n\n"
        f"| name | what it is | rung | cost |\n|---|---|---|---|\n{models}\n\n"
        "## Ordering policies\n\nFor `inventory.candidates`. See [Add a policy](../add_policy.md).\n\n"
        f"| name | what it is |\n|---|---|\n{policies}\n"
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    for page in write_pages(Path(sys.argv[1])):
        print(page)
