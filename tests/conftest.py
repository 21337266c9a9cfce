"""One Spark session and one Ray instance per test process; small data; engines on two cores.

Test processes of one run (`pytest -n 2`) share what is dear to build: the first that needs a lakehouse builds it, each
works on a copy of its own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakehouse.delta.io import Lakehouse
from lakehouse.delta.session import SparkSettings, build_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

from tests.object_store import environment, free_port, served
from tests.tiny_retailer import FEW_ROWS

# Before any JVM or worker starts, so that all of them know the store; the server starts when a test asks for it.
_S3_PORT = free_port()
os.environ.update(environment(_S3_PORT))
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A JVM that lives for minutes spends a third of them on optimising code that it will not run again, and a heap that
# begins small is swept again and again.
_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m -Xms768m -Xmn384m"
os.environ.setdefault("SPARK_SUBMIT_OPTS", _JVM)
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")  # by itself Ray's work waits for all that others do on these cores


_FIRST = ("faults/test_object_store_run.py", "field/test_cases.py")
"""Files that two test processes begin with: one makes the lakehouse `finished`, the other one needs none meanwhile."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        file = item.path.relative_to(Path(__file__).parent).as_posix()
        return _FIRST.index(file) if file in _FIRST else len(_FIRST)

    items.sort(key=place)  # the others stay in their order


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = build_session(
        SparkSettings(
            master="local[2]",
            app_name="shelfcast-tests",
            driver_memory="3g",
            shuffle_partitions=2,
            conf={
                **FEW_ROWS,
                "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1",
                "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
            },
        ),
        "s3://shelfcast-tests",
    )
    yield session
    session.stop()


@pytest.fixture
def compiling_spark(spark: SparkSession) -> Iterator[SparkSession]:
    """The session as it is elsewhere: for tests on many rows."""
    for key in FEW_ROWS:
        spark.conf.unset(key)
    yield spark
    for key, value in FEW_ROWS.items():
        spark.conf.set(key, value)


@pytest.fixture(scope="session")
def store() -> Iterator[str]:
    """The address of a bucket on an S3 server of this machine."""
    with served(_S3_PORT) as bucket:
        yield bucket


@pytest.fixture
def lake(tmp_path: Path) -> Lakehouse:
    return Lakehouse(str(tmp_path / "lake"))


def once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """A folder that the first test process to ask for it builds; read it, do not write to it."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    built, half_built = shared / f"built-{name}", shared / f"half-built-{name}-{os.getpid()}"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait: they would build the same
        if not built.exists():
            build(half_built)
            half_built.rename(built)
    return built


@pytest.fixture(scope="session")
def feeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny retailer's files, 120 days of them; read them, do not write to them."""
    from tests.tiny_retailer import write_feeds

    return once(tmp_path_factory, "feeds", write_feeds)


def lakehouse_after(
    request: pytest.FixtureRequest, name: str, base: str | None, stages: Sequence[str] | None, *, with_spark: bool
) -> Lakehouse:
    """This process's copy of a lakehouse after some stages as of day 119, run on what the fixture `base` holds.

    The stages are called one by one, as a scheduler does. Only the process that builds it asks for the other fixtures,
    so that the others start no engine for it.
    """
    from jobs.pipeline import run_stages
    from tests.jobs.run_tool import ALL_STAGES, copied, day, make_context

    def build(folder: Path) -> None:
        lake = copied(request.getfixturevalue(base), folder) if base else Lakehouse(str(folder))
        spark = request.getfixturevalue("spark") if with_spark else None
        for stage in stages or ALL_STAGES:
            run_stages(make_context(spark, lake, request.getfixturevalue("feeds"), day(119)), [stage])

    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    return copied(Lakehouse(str(once(factory, name, build))), factory.mktemp(name) / "lake")


@pytest.fixture(scope="session")
def cleaned(request: pytest.FixtureRequest) -> Lakehouse:
    """A lakehouse through `clean` as of day 119; copy it (`copied`), do not write to it."""
    return lakehouse_after(request, "cleaned", None, ["ingest", "clean"], with_spark=True)


@pytest.fixture(scope="session")
def featured(request: pytest.FixtureRequest) -> Lakehouse:
    """A lakehouse through `features`, `festivals`, `seasons` as of day 119; copy it. No later stage needs Spark."""
    return lakehouse_after(request, "featured", "cleaned", ["features", "festivals", "seasons"], with_spark=True)


@pytest.fixture(scope="session")
def calibrated(request: pytest.FixtureRequest) -> Lakehouse:
    """A lakehouse through `calibrate` as of day 119; copy it, do not write to it."""
    stages = ["train", "train_networks", "backtest", "calibrate"]
    return lakehouse_after(request, "calibrated", "featured", stages, with_spark=False)


@pytest.fixture(scope="session")
def finished(request: pytest.FixtureRequest) -> Lakehouse:
    """A lakehouse with one whole run as of day 119; what runs on it again must leave its content as it is."""
    return lakehouse_after(request, "finished", "calibrated", None, with_spark=True)


@pytest.fixture(scope="session")
def delivered(request: pytest.FixtureRequest) -> Lakehouse:
    """`finished` with coordinates and orders of its own (tests/jobs/deliveries_tool.py), shipped and routed."""
    from tests.jobs.deliveries_tool import deliver

    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")

    def build(folder: Path) -> None:
        lake = copied(request.getfixturevalue("finished"), folder)
        deliver(request.getfixturevalue("spark"), lake, request.getfixturevalue("feeds"))

    from tests.jobs.run_tool import copied

    return copied(Lakehouse(str(once(factory, "delivered", build))), factory.mktemp("delivered") / "lake")


@pytest.fixture(scope="session")
def hundred_days(request: pytest.FixtureRequest) -> Path:
    """Feeds of 100 days (`feeds`) and a lakehouse through `features` as of day 101 (`lake`); copy them."""
    from tests.tiny_retailer import write_feeds

    return _through_features(request, "hundred-days", 101, lambda feeds: write_feeds(feeds, 100))


@pytest.fixture(scope="session")
def two_days_more(request: pytest.FixtureRequest) -> Path:
    """The same with a second file, of days 101 and 102, taken in at once as of day 102."""
    from tests.tiny_retailer import write_feeds, write_sales

    def write(feeds: Path) -> None:
        write_feeds(feeds, 100)
        write_sales(feeds / "sales" / "second.csv", 100, 102, seed=8)

    return _through_features(request, "two-days-more", 102, write)


def _through_features(request: pytest.FixtureRequest, name: str, as_of: int, write: Callable[[Path], object]) -> Path:
    from jobs.pipeline import run_stages
    from tests.jobs.run_tool import day, make_context

    def build(folder: Path) -> None:
        write(folder / "feeds")
        lake = Lakehouse(str(folder / "lake"))
        context = make_context(request.getfixturevalue("spark"), lake, folder / "feeds", day(as_of))
        run_stages(context, ["ingest", "clean", "features", "festivals"])

    return once(request.getfixturevalue("tmp_path_factory"), name, build)
