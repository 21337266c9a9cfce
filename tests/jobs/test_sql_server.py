"""`shelfcast serve sql` as a BI tool meets it: over Thrift, by the JDBC driver, in sessions of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyspark
import pytest
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

from jobs.cli import main
from jobs.views.measures import VIEWS
from lakehouse.delta.io import Lakehouse
from lakehouse.schema.tables import TABLES, contract
from tests.jobs.test_export import line, publish
from tests.object_store import free_port
from tests.tiny_retailer import FEW_ROWS

GOLD = [name for name in TABLES if name.startswith("gold.")]
ROOT = Path(__file__).resolve().parents[2]
_HIVE_TYPES = {"long": "BIGINT", "byte": "TINYINT"}


def rows(result: Any) -> list[tuple[str | None, ...]]:
    """What a JDBC result holds, as text."""
    width = result.getMetaData().getColumnCount()
    found = []
    while result.next():
        found.append(tuple(result.getString(number + 1) for number in range(width)))
    return found


@pytest.fixture(scope="module")
def lake_of_gold(tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    lake = Lakehouse(str(tmp_path_factory.mktemp("served") / "it's a lake"))
    for name in GOLD:
        lake.ensure(name)
    return publish(lake, line("A"), line("B", order_value=None, unit_cost=None), line("C", order_value=2.0))


@pytest.fixture(scope="module")
def server(lake_of_gold: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen, int]]:
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    conf = "\n".join(f'"{key}" = "{value}"' for key, value in FEW_ROWS.items())
    text = f'[spark]\nmaster = "local[1]"\ndriver_memory = "1g"\nshuffle_partitions = 1\n[spark.conf]\n{conf}\n'
    (folder / "small.toml").write_text(text)
    options = ["--lakehouse", lake_of_gold.root, "--port", str(port), "--conf", str(folder / "small.toml")]
    command = [sys.executable, "-m", "jobs.cli", "serve", "sql", *options]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=(folder / "err").open("w"), text=True
    )
    assert process.stdout
    first = process.stdout.readline()
    assert f"jdbc:hive2://127.0.0.1:{port}/bi" in first, (folder / "err").read_text()
    yield process, port
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert [path.name for path in folder.iterdir()] != [], "the settings at least"
    assert {path.name for path in folder.iterdir()} == {"small.toml", "err"}, "nothing is left behind"


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def jvm() -> Iterator[Any]:
    """A small JVM with Hive's JDBC driver, as a BI tool has one."""
    jars = Path(pyspark.__file__).parent / "jars"
    port = launch_gateway(classpath=f"{jars}/*", javaopts=["-Xmx256m"], die_on_exit=True)
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port))
    yield gateway.jvm
    gateway.shutdown()


@pytest.fixture
def connection(server: tuple[subprocess.Popen, int], jvm: Any) -> Iterator[Any]:
    opened = jvm.java.sql.DriverManager.getConnection(f"jdbc:hive2://127.0.0.1:{server[1]}/bi", "anyone", "")
    yield opened
    opened.close()


def query(connection: Any, text: str) -> list[tuple[str | None, ...]]:
    return rows(connection.createStatement().executeQuery(text))


@pytest.mark.slow
def test_metadata_lists_every_gold_view_with_columns_types_and_comments(connection: Any) -> None:
    metadata = connection.getMetaData()
    assert {schema for schema, *_ in rows(metadata.getSchemas())} >= {"bi", "gold", "measures"}
    tables = {
        name: (kind, comment) for _, _, name, kind, comment, *_ in rows(metadata.getTables(None, "bi", "%", None))
    }
    assert tables == {contract(name).table_name: ("VIEW", contract(name).comment) for name in GOLD}
    found: dict[str, list[tuple[str | None, ...]]] = {}
    for _, _, table, column, _, type_, *more in rows(metadata.getColumns(None, "bi", "%", "%")):
        found.setdefault(str(table), []).append((column, type_, more[5]))
    for name in GOLD:
        declared = contract(name)
        assert found[declared.table_name] == [
            (each.name, _HIVE_TYPES.get(each.type, each.type.upper()), each.comment) for each in declared.declared()
        ]


@pytest.mark.slow
def test_metadata_lists_measures_with_their_comments(connection: Any) -> None:
    metadata = connection.getMetaData()
    listed = {name: comment for _, _, name, _, comment, *_ in rows(metadata.getTables(None, "measures", "%", None))}
    assert listed == {view.name: view.comment for view in VIEWS}
    columns = rows(metadata.getColumns(None, "measures", "%", "%"))
    found = {(table, column): more[5] for _, _, table, column, _, _, *more in columns}
    assert found == {(view.name, column): comment for view in VIEWS for column, comment in view.comments()}


@pytest.mark.slow
def test_sessions_of_their_own_read_tables_views_and_measures(connection: Any, lake_of_gold: Lakehouse) -> None:
    assert query(connection, "SELECT sku_id, order_value FROM order_plan ORDER BY sku_id") == [
        ("A", "18.0"),
        ("B", None),
        ("C", "2.0"),
    ]
    assert query(connection, "SELECT count(*) FROM gold.order_plan VERSION AS OF 0") == [("0",)]
    assert query(connection, f"SELECT count(*) FROM {lake_of_gold.identifier('gold.order_plan')}") == [("3",)]
    measure = "SELECT as_of, MEASURE(planned_spend) FROM measures.stock_and_orders GROUP BY as_of"
    assert query(connection, measure) == [("2024-03-02", "20.0")]
    publish(lake_of_gold, line("D", order_value=5.0))
    assert query(connection, measure) == [("2024-03-02", "25.0")], "what is published since"


@pytest.mark.slow
def test_it_listens_on_this_machine_alone(server: tuple[subprocess.Popen, int]) -> None:
    for address in {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} | {
        other()
    }:
        if not address.startswith("127."):
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((address, server[1]), timeout=5)


def other() -> str:
    """This machine's address towards others; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def test_what_cannot_be_served_is_said_before_spark_starts(lake: Lakehouse, capsys: pytest.CaptureFixture[str]) -> None:
    lake.ensure("silver.sales_daily")
    assert main(["serve", "sql", "--lakehouse", lake.root]) == 2
    assert "no gold table in" in capsys.readouterr().err
    lake.ensure("gold.order_plan")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["serve", "sql", "--lakehouse", lake.root, "--port", port]) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["serve", "sql", "--lakehouse", lake.root, "--port", "0"])
    assert "expected a port, 1 to 65535, found '0'" in capsys.readouterr().err
