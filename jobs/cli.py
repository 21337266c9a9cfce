"""The command line: `shelfcast run`, each stage on its own, `describe`, `status`, `tables`, `export`, `keep`, ..."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.arguments import as_of_day, day, lakehouse_of, minutes, port, positive, stage_list
from jobs.deploy.deploy_command import deploy_command
from jobs.engine.progress import Progress
from jobs.explain.explain_command import explain_command
from jobs.page.page_command import page_command
from jobs.replan.replan_command import replan_command
from jobs.stages import first_sentence, stage_docstrings, stage_modules
from jobs.traces import kept_trace, one_line
from jobs.views import reports
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.lock import WriterLock, nothing_left_of_a_refused
from lakehouse.errors import ConfigError, ShelfcastError, engine_missing

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 only when what was asked for is done and holds; 1 for a failed promise, 2 for a wrong request."""
    options = command_parser().parse_args(arguments)
    try:
        code = int(options.action(options) or 0)
        sys.stdout.flush()
        return code
    except ConfigError as error:
        print(f"shelfcast: {error}", file=sys.stderr)
        return 2
    except ShelfcastError as error:
        print(f"shelfcast: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("shelfcast: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        print(f"shelfcast: {engine_missing(error)}", file=sys.stderr)
        return 1
    except BrokenPipeError as error:
        return _reader_gone() or _unexpected(error)
    except Exception as error:  # a fault of ours, or of an engine: nobody but a developer reads traces
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    print(f"shelfcast: unexpected {type(error).__name__}: {one_line(error)}", file=sys.stderr)
    print(f"shelfcast: the whole trace is in {kept_trace(error)}", file=sys.stderr)
    return 1


def _reader_gone() -> int:
    """141, as a shell says it, where nobody reads our output any more (`| head`); 0 where another pipe broke."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more at its end
        return 141
    return 0


def _run(options: argparse.Namespace) -> int:
    # Spark and torch take seconds to import: `status` and `describe` do not wait for them.
    from jobs.context import RunContext
    from jobs.engine.warm_up import kernels_compiled_ahead
    from jobs.pipeline import run_stages
    from jobs.settings import load_mapping, load_settings
    from jobs.tracking.tracked import tracked
    from jobs.views.duckdb_file import duckdb_target, write_duckdb
    from lakehouse.feeds.sql_clauses import mapping_blamed

    overrides = list(options.set or [])
    if options.horizon is not None:
        overrides.append(f"horizon={options.horizon}")
    settings = load_settings(options.conf, overrides)
    context = RunContext(
        settings=settings,
        mapping=load_mapping(options.source),
        lakehouse=Lakehouse(options.lakehouse, settings.lakehouse.catalog),
        as_of=options.as_of,
        input_dir=options.input,
        progress=Progress(json_path=options.log_json, quiet=options.quiet),
        force=options.force,
    )
    if options.duckdb:
        duckdb_target(options.duckdb, overwrite=True)  # said before hours of work, not after
    compiling = kernels_compiled_ahead(settings, options.stages or list(stage_modules()))
    blamed, refused = mapping_blamed(context.mapping), nothing_left_of_a_refused(context.lakehouse)
    with contextlib.ExitStack() as around:
        around.enter_context(WriterLock(context.lakehouse, options.wait * 60, context.progress.say))
        around.enter_context(refused)
        around.enter_context(tracked(context, options.stages))
        around.enter_context(contextlib.closing(context))
        around.enter_context(compiling)
        around.enter_context(blamed)
        done = run_stages(context, options.stages)
        written = write_duckdb(context.lakehouse, options.duckdb, overwrite=True) if options.duckdb else None
    print(reports.run_summary(context, done))
    if written:
        print(reports.exported(written))
    return 0


def _check(options: argparse.Namespace) -> int:
    from jobs.settings import load_mapping
    from jobs.views.check_view import check_source, text_of

    if not options.input.is_dir():
        raise ConfigError(f"--input {options.input} is not a folder")
    report = check_source(load_mapping(options.source), options.input, _spark_for_sql(options))
    print(json.dumps(report.as_json(), ensure_ascii=False, indent=2) if options.json else text_of(report))
    if not options.json and (step := report.next_step(options.source, options.input)):
        print(step)
    return 1 if report.refusals else 0


def _map(options: argparse.Namespace) -> int:
    from jobs.views.map_view import map_folder

    if not options.folder.is_dir():
        raise ConfigError(f"{options.folder} is not a folder; pass the folder that holds the files")
    return map_folder(options.folder, options.out)


def _spark_for_sql(options: argparse.Namespace) -> Callable[[], SparkSession]:
    """A session for a mapping that states SQL, started when it is first asked for."""

    @cache
    def start() -> SparkSession:
        from jobs.settings import load_settings
        from lakehouse.delta.session import build_session

        print("shelfcast: the mapping states SQL, so Spark is started to read it", file=sys.stderr)
        return build_session(load_settings(options.conf).spark)

    return start


def _demo(options: argparse.Namespace) -> int:
    from jobs.views.demo import demo

    return demo(options.lakehouse, main)


def _describe(options: argparse.Namespace) -> int:
    print(reports.describe(options.table))
    return 0


def _status(options: argparse.Namespace) -> int:
    print(reports.status(lakehouse_of(options), options.run, with_hashes=options.hashes))
    return 0


def _doubts(options: argparse.Namespace) -> int:
    from jobs.views.doubts import doubts

    print(doubts(lakehouse_of(options), options.as_of), end="")
    return 0


def _decisions(options: argparse.Namespace) -> int:
    from jobs.views.decisions import decision_list

    print(decision_list(lakehouse_of(options)), end="")
    return 0


def _override(options: argparse.Namespace) -> int:
    from jobs.views.override import Said, override

    names = Said.__slots__
    print(override(lakehouse_of(options), Said(**{name: getattr(options, name) for name in names})), end="")
    return 0


def _export(options: argparse.Namespace) -> int:
    if options.name == "gold":
        return _export_gold(options)
    from jobs.views.export import Request, export, style_of

    style = style_of(
        options.to, options.by, options.format, decimal_comma=options.decimal_comma, has_bom=not options.no_bom
    )
    request = Request(
        options.name,
        options.to,
        style,
        as_of=options.as_of,
        by=options.by,
        with_zero=options.all,
        overwrite=options.overwrite,
    )
    print(reports.exported(export(lakehouse_of(options), request)))
    return 0


def _export_gold(options: argparse.Namespace) -> int:
    from jobs.views.duckdb_file import write_duckdb

    if any((options.by, options.format, options.as_of, options.all, options.decimal_comma, options.no_bom)):
        raise ConfigError("gold is exported whole, as one DuckDB file; it takes --to and --overwrite alone")
    print(reports.exported(write_duckdb(lakehouse_of(options), options.to, overwrite=options.overwrite)))
    return 0


def _measures(options: argparse.Namespace) -> int:
    from jobs.views.measure_sql import statements
    from jobs.views.measures import measure_table

    if options.catalog and not options.sql:
        raise ConfigError("--catalog is for --sql databricks")
    print(statements(options.sql, options.catalog) if options.sql else measure_table())
    return 0


def _serve_sql(options: argparse.Namespace) -> int:
    from jobs.serve.sql_server import serve_sql
    from jobs.settings import load_settings

    serve_sql(lakehouse_of(options), load_settings(options.conf).spark, options.host, options.port)
    return 0


def _keep(options: argparse.Namespace) -> int:
    from lakehouse.delta.keep import keep

    lake = lakehouse_of(options)
    with contextlib.nullcontext() if options.dry_run else WriterLock(lake):
        freed, runs = keep(lake, options.keep_days, dry_run=options.dry_run)
    print(reports.kept(lake, freed, runs, is_dry=options.dry_run))
    return 0


def _migrate(options: argparse.Namespace) -> int:
    from lakehouse.delta.migrate import rewrite
    from lakehouse.schema.tables import TABLES

    lake = lakehouse_of(options)
    with WriterLock(lake):
        for name in (name for name in TABLES if lake.exists(name)):
            print(f"{name}: {'; '.join(rewrite(TABLES[name], lake.open(name))) or 'as its contract says'}")
    return 0


def _tables(options: argparse.Namespace) -> int:
    if options.create:
        from jobs.settings import load_settings

        settings = load_settings(options.conf)
        settings.lakehouse.use_store()
        lake = Lakehouse(options.lakehouse, settings.lakehouse.catalog)
        with WriterLock(lake):
            reports.create_tables(lake, settings)
    else:
        lake = lakehouse_of(options)
    print(reports.tables(lake))
    return 0


def _stages(options: argparse.Namespace) -> int:
    from jobs.pipeline import all_stages
    from jobs.settings import load_settings
    from jobs.views.stage_table import stage_table

    print(stage_table(all_stages(), load_settings(options.conf)))
    return 0


def _models(_: argparse.Namespace) -> int:
    from udfs.forecasting.registry import MODELS, names
    from udfs.inventory.policies.policy_registry import POLICIES

    print("Forecasting models: forecast.model, forecast.regular_candidates, forecast.intermittent_candidates")
    print("\n".join(f"  {name:18s} {MODELS[name].meaning}" for name in names()))
    print("Ordering policies: inventory.candidates")
    print("\n".join(f"  {policy.name:18s} {policy.meaning}" for policy in POLICIES.entries()))
    return 0


def command_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shelfcast",
        description="A retailer's raw feeds go in, tomorrow's orders come out, all as Delta tables.",
        epilog="`shelfcast COMMAND --help` says what a command or a stage does; `shelfcast stages` has their order.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run all stages, or those of --stages")
    _run_options(run)
    run.add_argument("--stages", type=stage_list, help=f"comma-separated, of {', '.join(stage_modules())}")
    run.add_argument("--duckdb", metavar="FILE", help="then also write gold there as `export gold` does, or replace it")
    run.set_defaults(action=_run)
    _mapping_commands(commands)
    _reading_commands(commands)
    _stage_commands(commands)
    return parser


def _stage_commands(commands: argparse._SubParsersAction) -> None:
    for name, docstring in stage_docstrings().items():
        stage = commands.add_parser(
            name,
            help=f"stage: {first_sentence(docstring)}",
            description=f"{docstring}\n\nRuns this stage alone, as a scheduler does.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _run_options(stage)
        stage.set_defaults(action=_run, stages=[name], duckdb=None)


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", required=True, help="source mapping: a name in conf/sources or a TOML file")
    parser.add_argument("--input", type=Path, help="folder with the source's files (needed by ingest)")
    parser.add_argument("--lakehouse", required=True, help="folder or object-store URI of the Delta tables")
    parser.add_argument(
        "--as-of",
        type=as_of_day,
        required=True,
        help="last day whose sales are known, YYYY-MM-DD; or an instant and a zone, and it is the day before: "
        "2024-02-01T03:30:00Z[Europe/Berlin]",
    )
    parser.add_argument("--horizon", type=int, help="days to forecast (28)")
    parser.add_argument("--conf", type=Path, help="settings laid over conf/base.toml (conf/local.toml)")
    parser.add_argument("--set", action="append", metavar="KEY=VALUE", help="one setting, such as forecast.model=ets")
    parser.add_argument("--force", action="store_true", help="do the stages again even where nothing changed")
    parser.add_argument("--log-json", type=Path, metavar="FILE", help="append progress as JSON lines")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the summary")
    parser.add_argument(
        "--wait", type=minutes, default=0, metavar="MINUTES", help="wait so long for another writer to end (0)"
    )


def _mapping_commands(commands: argparse._SubParsersAction) -> None:
    map_ = commands.add_parser("map", help="look at a folder's files and propose a source mapping for them")
    map_.add_argument("folder", type=Path, metavar="FOLDER")
    map_.add_argument("--out", type=Path, metavar="FILE", help="write the mapping there (my_shop.toml), else print it")
    map_.set_defaults(action=_map)
    check = commands.add_parser("check", help="what a run would make of a folder: rows, losses, days, refusals")
    check.add_argument("--source", required=True, help="source mapping: a name in conf/sources or a TOML file")
    check.add_argument("--input", type=Path, required=True, help="folder with the source's files")
    check.add_argument("--json", action="store_true", help="as JSON")
    check.add_argument("--conf", type=Path, help="settings of Spark, where the mapping states SQL")
    check.set_defaults(action=_check)


def _reading_commands(commands: argparse._SubParsersAction) -> None:
    describe = commands.add_parser("describe", help="data dictionary of a table, or the tables of a schema, or all")
    describe.add_argument("table", nargs="?", metavar="TABLE")
    describe.set_defaults(action=_describe)
    status = commands.add_parser("status", help="what ran, how long, what failed")
    status.add_argument("--lakehouse", required=True)
    status.add_argument("--run", metavar="RUN_ID", help="one run (the latest)")
    status.add_argument("--conf", type=Path)
    status.add_argument("--hashes", action="store_true", help="also the content hash of every table")
    status.set_defaults(action=_status)
    doubts = commands.add_parser("doubts", help="series of an order plan to look at before the orders are believed")
    doubts.add_argument("--lakehouse", required=True)
    doubts.add_argument("--as-of", type=day, help="day of the plan, YYYY-MM-DD (the latest)")
    doubts.add_argument("--conf", type=Path)
    doubts.set_defaults(action=_doubts)
    decisions = commands.add_parser("decisions", help="what planners decided, and what it gained, by author")
    decisions.add_argument("--lakehouse", required=True)
    decisions.add_argument("--conf", type=Path)
    decisions.set_defaults(action=_decisions)
    explain_command(commands)
    tables = commands.add_parser("tables", help="tables with rows and versions; --create makes them all")
    tables.add_argument("--lakehouse", required=True)
    tables.add_argument("--create", action="store_true")
    tables.add_argument("--conf", type=Path)
    tables.set_defaults(action=_tables)
    keep = commands.add_parser("keep", help="fold small files, expire old runs, delete files that no version needs")
    keep.add_argument("--lakehouse", required=True)
    keep.add_argument("--keep-days", type=positive, metavar="N", help="expire runs older than N days before the newest")
    keep.add_argument("--dry-run", action="store_true", help="say what would go, and touch nothing")
    keep.add_argument("--conf", type=Path)
    keep.set_defaults(action=_keep)
    migrate = commands.add_parser("migrate", help="rewrite tables of an older version to what their contracts say")
    migrate.add_argument("--lakehouse", required=True)
    migrate.add_argument("--conf", type=Path)
    migrate.set_defaults(action=_migrate)
    _override_command(commands)
    replan_command(commands)
    _export_command(commands)
    _bi_commands(commands)
    deploy_command(commands)
    page_command(commands)
    models = commands.add_parser("models", help="forecasting models and ordering policies that settings may name")
    models.set_defaults(action=_models)
    stages = commands.add_parser("stages", help="every stage in its order: where it runs, what it does, what it writes")
    stages.add_argument("--conf", type=Path)
    stages.set_defaults(action=_stages)
    demo = commands.add_parser("demo", help="the main job on The Complete Journey's real transactions")
    demo.add_argument("--lakehouse", default="lake/demo")
    demo.set_defaults(action=_demo)


def _override_command(commands: argparse._SubParsersAction) -> None:
    override = commands.add_parser(
        "override", help="set or confirm an order, or set a forecast, for the next run to go by"
    )
    override.add_argument("sku", metavar="SKU", help="a SKU, or a series as sku|location|channel")
    override.add_argument("--lakehouse", required=True)
    override.add_argument("--location")
    override.add_argument("--channel")
    override.add_argument("--order", type=float, metavar="UNITS", help="order so many instead; 0 for none")
    override.add_argument("--confirm", metavar="RULE", help="the line is right, whatever this rule says; or all")
    override.add_argument("--forecast-factor", type=float, metavar="X", help="times the model's demand: 1.5 is +50%%")
    override.add_argument(
        "--forecast-units", type=float, metavar="UNITS", help="demand of each day, whatever the model's"
    )
    override.add_argument("--price", type=float, metavar="X", help="sell at this price, in currency")
    override.add_argument(
        "--withdraw", action="store_true", help="what was decided for these days (all from --from on) no longer counts"
    )
    override.add_argument("--author", required=True, help="who decides")
    override.add_argument("--note", required=True, help="why")
    override.add_argument(
        "--from",
        dest="since",
        type=day,
        help="first order day, YYYY-MM-DD (the last published); of a forecast or price: day of demand (the day after)",
    )
    override.add_argument("--until", type=day, help="last order day, or day of demand (the same)")
    override.add_argument("--conf", type=Path)
    override.set_defaults(action=_override)


def _bi_commands(commands: argparse._SubParsersAction) -> None:
    measures = commands.add_parser("measures", help="the measures of gold: meaning, unit, expression")
    measures.add_argument("--sql", choices=("spark", "databricks", "duckdb"), help="as views of that engine")
    measures.add_argument("--catalog", metavar="NAME", help="with --sql databricks: the catalog of the tables")
    measures.set_defaults(action=_measures)
    serve = commands.add_parser("serve", help="processes that stay; sql: gold and its measures for BI tools")
    kinds = serve.add_subparsers(required=True, metavar="WHAT")
    sql = kinds.add_parser("sql", help="a Thrift server (JDBC, ODBC, Hive clients) until it is interrupted")
    sql.add_argument("--lakehouse", required=True)
    sql.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine alone)")
    sql.add_argument("--port", type=port, default=10000, help="port to listen on (10000)")
    sql.add_argument("--conf", type=Path)
    sql.set_defaults(action=_serve_sql)


def _export_command(commands: argparse._SubParsersAction) -> None:
    export = commands.add_parser("export", help="the order list or a table as CSV, XLSX or Parquet; gold as DuckDB")
    export.add_argument(
        "name",
        metavar="NAME",
        help="orders (a buyer's list), a table as it stands (schema.table), or gold (all its tables in a .duckdb file)",
    )
    export.add_argument("--lakehouse", required=True)
    export.add_argument("--to", required=True, metavar="PATH", help="the file; with --by the folder of the files")
    export.add_argument("--format", choices=("csv", "xlsx", "parquet"), help="without it: by the ending of PATH")
    export.add_argument("--as-of", type=day, metavar="DATE", help="a published day (orders: the latest; tables: all)")
    export.add_argument("--by", choices=("supplier", "location"), help="orders in a file for each, in the folder PATH")
    export.add_argument("--all", action="store_true", help="orders: also the series that need none today")
    export.add_argument("--overwrite", action="store_true", help="replace what is at PATH; without it that is refused")
    export.add_argument("--decimal-comma", action="store_true", help="CSV as continental Excel reads it: 1,5;2,5")
    export.add_argument("--no-bom", action="store_true", help="CSV without the mark by which Excel knows UTF-8")
    export.add_argument("--conf", type=Path)
    export.set_defaults(action=_export)


if __name__ == "__main__":
    sys.exit(main())
