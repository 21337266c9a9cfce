"""The command `shelfcast deploy`."""

from __future__ import annotations

import argparse
from pathlib import Path


def deploy_command(commands: argparse._SubParsersAction) -> None:
    """Add it to the command line."""
    deploy = commands.add_parser("deploy", help="write the stages as a Databricks bundle, or as an Airflow DAG")
    deploy.add_argument("scheduler", choices=("databricks", "airflow"))
    deploy.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder of the files")
    deploy.add_argument("--source", required=True, help="source mapping: a name in conf/sources or a TOML file")
    deploy.add_argument("--input", type=Path, required=True, help="folder with the source's files, as the tasks see it")
    deploy.add_argument("--lakehouse", required=True, help="folder or object-store URI of the Delta tables")
    deploy.add_argument("--conf", type=Path, help="settings laid over conf/base.toml; [deploy] says when and where")
    deploy.add_argument(
        "--set", action="append", metavar="KEY=VALUE", help="one setting, such as deploy.cron='0 5 * * *'"
    )
    deploy.set_defaults(action=_deploy)


def _deploy(options: argparse.Namespace) -> int:
    from jobs.deploy.plan import Request
    from jobs.deploy.write import write_bundle, write_dag
    from jobs.pipeline import all_stages
    from jobs.settings import load_mapping, load_settings

    sets = options.set or []
    settings = load_settings(options.conf, sets)
    load_mapping(options.source)
    request = Request(
        options.source,
        str(options.input),
        options.lakehouse,
        conf=str(options.conf) if options.conf else None,
        set=tuple(each for each in sets if not each.startswith("deploy")),
    )
    write = {"databricks": write_bundle, "airflow": write_dag}[options.scheduler]
    print("\n".join(str(path) for path in write(options.to, all_stages(), request, settings.deploy)))
    return 0
