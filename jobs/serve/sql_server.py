"""Gold for BI tools over Thrift, the protocol of Hive's JDBC and ODBC drivers: Spark's own server, on this machine.

| schema | holds |
|---|---|
| `gold` | the Delta tables, with versions; to calls for metadata they have no columns, as their log has those |
| `bi` | a view of each, whose columns and comments such calls see: what a tool shall open |
| `measures` | metric views: `SELECT department, MEASURE(wape) FROM measures.forecast_quality GROUP BY department` |
"""

from __future__ import annotations

import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from py4j.protocol import Py4JNetworkError

from jobs.views.duckdb_file import GOLD, published
from jobs.views.measure_sql import spark_view
from jobs.views.measures import SCHEMA, VIEWS
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.session import SparkSettings, build_session
from lakehouse.errors import ConfigError, EngineError
from lakehouse.schema.contract import Contract, sql_string

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BI = "bi"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LOOK_SECONDS = 5.0


def serve_sql(lake: Lakehouse, settings: SparkSettings, host: str, port: int) -> None:
    """Serve the published gold tables until the process is interrupted or terminated.

    Raises ConfigError where nothing is published or the port is taken, EngineError where Spark does not start or ends.
    """
    stop = threading.Event()
    with sql_server(lake, settings, host, port) as session:
        for number in (signal.SIGINT, signal.SIGTERM):  # behind Spark's start, which sets its own for SIGINT
            signal.signal(number, lambda *_: stop.set())
        print(f"shelfcast: gold of {lake.base} at jdbc:hive2://{host}:{port}/{BI}; Ctrl-C ends it", flush=True)
        if host not in _LOOPBACK:
            print(f"shelfcast: whoever reaches {host}:{port} may run any SQL, as this user and without a password")
        java = session.sparkContext._gateway.proc  # type: ignore[union-attr]
        while not stop.wait(_LOOK_SECONDS):
            if java.poll() is not None:
                raise EngineError(f"Spark ended by itself with {java.returncode}; its last words stand above")


@contextmanager
def sql_server(lake: Lakehouse, settings: SparkSettings, host: str, port: int) -> Iterator[SparkSession]:
    """The server as long as the block lasts; the session whose catalog its clients see."""
    tables = published(lake)
    _check_free(host, port)
    with tempfile.TemporaryDirectory(prefix="shelfcast-sql-") as folder:
        conf = {
            "spark.hadoop.hive.server2.thrift.bind.host": host,
            "spark.hadoop.hive.server2.thrift.port": str(port),
            "spark.sql.warehouse.dir": folder,
        }
        served = settings.model_copy(update={"conf": settings.conf | conf})
        session = build_session(served, lake.base, for_clients=True)
        try:
            register(session, lake, tables)
            jvm = session.sparkContext._jvm
            jvm.java.lang.System.setProperty("derby.stream.error.file", f"{folder}/derby.log")  # type: ignore[union-attr]
            thrift = jvm.org.apache.spark.sql.hive.thriftserver.HiveThriftServer2  # type: ignore[union-attr]
            server = thrift.startWithContext(session._jsparkSession.sqlContext())
            yield session
            server.stop()
        finally:
            with suppress(OSError, Py4JNetworkError):  # a JVM that ended has nothing to stop
                session.stop()


def register(session: SparkSession, lake: Lakehouse, tables: Sequence[Contract]) -> None:
    """Make the schemas known in the session's catalog."""
    for schema in (GOLD, BI, SCHEMA):
        session.sql(f"CREATE DATABASE IF NOT EXISTS {schema}")
    for declared in tables:
        where = sql_string(lake.spark_uri(declared.name))
        session.sql(f"CREATE TABLE IF NOT EXISTS {declared.name} USING DELTA LOCATION {where}")
        session.sql(_view(declared, {*session.table(declared.name).columns}))
    names = {declared.name for declared in tables}
    for view in (view for view in VIEWS if view.source in names):
        session.sql(spark_view(view, BI))


def _view(declared: Contract, there: set[str]) -> str:
    """A view of the contract's columns with their comments; a column that the table has not yet is NULL."""
    columns = [f"`{column.name}` COMMENT {sql_string(column.comment)}" for column in declared.declared()]
    values = [
        f"`{name}`" if name in there else f"CAST(NULL AS {declared.sql_type(name)}) AS `{name}`"
        for name in declared.columns
    ]
    return (
        f"CREATE OR REPLACE VIEW {BI}.{declared.table_name} ({', '.join(columns)}) COMMENT "
        f"{sql_string(declared.comment)} AS SELECT {', '.join(values)} FROM {declared.name}"
    )


def _check_free(host: str, port: int) -> None:
    """Raise ConfigError unless the address can be listened on: Spark would say so in pages, and much later."""
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port} ({error.strerror or error}); give another --port") from error
