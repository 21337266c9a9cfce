"""Housekeeping: what grows by a file a day is folded together, old runs' rows go, and files that nobody needs.

Tables are of two kinds. Where `run_id` belongs to the key, each run has rows of its own, which expire with it. Where
it does not, runs add to one another: their files are folded into one for each part, under the run `KEPT`, which is no
run's name and which therefore no run replaces by being done again.

The caller holds the writer's lock: no run is under way, so that nothing but notebooks and reports can be reading
files of an earlier version, and for those a file stays a day after it was let go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
from deltalake import DeltaTable

from lakehouse.delta import uri
from lakehouse.delta.files import PinnedTable, pinned_files, read_files, write_bucket
from lakehouse.delta.io import Lakehouse
from lakehouse.delta.state import Held, parts
from lakehouse.errors import ContractError
from lakehouse.schema.contract import Contract
from lakehouse.schema.tables import TABLES, contract

KEPT: Final = "kept"
_MOST_FILES = 16
"""A part of more small files is folded: fewer would rewrite a table's whole past too often."""
_GRACE = timedelta(days=1)
_PLANS: Final = 7
"""So many of the latest published plans keep the versions that they were made from, so that what made an order another
can be found. Tables that grow by day share most of their files; what `clean` writes anew is kept so many times."""
_LOG_DAYS: Final = 30
"""Delta keeps a table's log so long where nothing else is said."""
_SMALL_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Freed:
    """What became of a table's files: let go of (no longer part of the table), and deleted from the store."""

    table: str
    let_go_files: int
    deleted_files: int
    deleted_bytes: int


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs that expire, and those as old that stay since they never finished."""

    expired: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()


def keep(
    lakehouse: Lakehouse, keep_days: int | None = None, *, dry_run: bool = False, grace: timedelta = _GRACE
) -> tuple[list[Freed], Runs]:
    """Fold, expire and vacuum every table; a dry run only says what that would do.

    `keep_days`: runs whose as-of day lies more days before the newest one expire; None expires none. `grace`: how
    long a file that was let go stays for those who still read an earlier version.
    """
    runs = runs_to_expire(lakehouse, keep_days) if keep_days is not None else Runs()
    freed, needed = [], versions_of_plans(lakehouse)
    for name in (name for name in TABLES if lakehouse.exists(name)):
        let_go = _expire(lakehouse, name, runs.expired, dry_run=dry_run) + _fold(lakehouse, name, dry_run=dry_run)
        files, size = _vacuum(lakehouse, name, grace, needed.get(name, []), dry_run=dry_run)
        freed.append(Freed(name, let_go, files, size))
    if not dry_run:
        _forget_trainings(lakehouse, runs.expired)
    return freed, runs


# -- runs -----------------------------------------------------------------------------------------------------------
def runs_to_expire(lakehouse: Lakehouse, keep_days: int) -> Runs:
    """Runs whose as-of day lies more than `keep_days` before the newest, but for those that are still needed.

    Needed are the runs of the latest day in gold, and the latest run of each configuration, which the next one of the
    same configuration learns from.
    """
    rows = lakehouse.read_arrow("ops.run", columns=["run_id", "as_of", "config_hash", "status"]).to_pylist()
    if not rows:
        return Runs()
    limit = max(row["as_of"] for row in rows) - timedelta(days=keep_days)
    unfinished = {row["run_id"] for row in rows if row["status"] != "succeeded"}
    latest: dict[str, tuple[date, str]] = {}
    for row in (row for row in rows if row["run_id"] not in unfinished):
        known = latest.get(row["config_hash"])
        latest[row["config_hash"]] = max(known or (date.min, ""), (row["as_of"], row["run_id"]))
    needed = _runs_of_gold(lakehouse) | {run_id for _, run_id in latest.values()}
    old = {row["run_id"] for row in rows if row["as_of"] < limit} - needed
    return Runs(tuple(sorted(old - unfinished)), tuple(sorted(old & unfinished)))


def _runs_of_gold(lakehouse: Lakehouse) -> set[str]:
    found: set[str] = set()
    for name, declared in TABLES.items():
        if declared.schema_name == "gold" and {"as_of", "run_id"} <= set(declared.columns) and lakehouse.exists(name):
            days = lakehouse.read_arrow(name, columns=["as_of", "run_id"])
            last = days.filter(pc.equal(days["as_of"], pc.max(days["as_of"])))
            found |= set(last["run_id"].unique().to_pylist())
    return found


def versions_of_plans(lakehouse: Lakehouse, plans: int = _PLANS) -> dict[str, list[int]]:
    """By table, the versions that the latest published plans were made from, rising."""
    published = lakehouse.read_arrow("gold.order_plan", columns=["as_of", "run_id"])
    runs = dict(zip(published["as_of"].to_pylist(), published["run_id"].to_pylist(), strict=True))
    latest = pa.array([runs[day] for day in sorted(runs)[-plans:]], pa.string())
    columns = ["run_id", "input_versions"]
    rows = lakehouse.read_arrow("ops.run", columns=columns, filters=pc.field("run_id").isin(latest)).to_pylist()
    found: dict[str, set[int]] = {}
    for table, version in (pair for row in rows for pair in json.loads(row["input_versions"]).items()):
        found.setdefault(table, set()).update([version] if version >= 0 else [])
    return {table: sorted(versions) for table, versions in found.items()}


def _is_by_run(declared: Contract) -> bool:
    # ops.run stays: it is the account of what ever ran, a dozen rows a day.
    return "run_id" in declared.key and declared.name != "ops.run"


def _expire(lakehouse: Lakehouse, name: str, runs: Sequence[str], *, dry_run: bool) -> int:
    """Delete the rows of these runs; returns the files let go of."""
    declared = contract(name)
    if not runs or not _is_by_run(declared):
        return 0
    if "run_id" not in declared.partitions:
        ids = ", ".join(f"'{run_id}'" for run_id in runs)
        return 0 if dry_run else int(lakehouse.open(name).delete(f"run_id IN ({ids})")["num_removed_files"])
    files = pinned_files(lakehouse.uri(name), lakehouse.version(name))["run_id"]
    there = sorted(set(runs) & set(files.unique().to_pylist()))
    if there and not dry_run:
        lakehouse.commit_files(name, [], {"run_id": there})
    return int(pc.sum(pc.is_in(files, pa.array(there, pa.string()))).as_py() or 0)


def _forget_trainings(lakehouse: Lakehouse, runs: Iterable[str]) -> None:
    """Checkpoints of the networks of expired runs."""
    filesystem, root = uri.filesystem_of(lakehouse.base)
    for run_id in runs:
        folder = f"{root}/.training/{run_id}"
        if filesystem.get_file_info(folder).type == pafs.FileType.Directory:
            filesystem.delete_dir(folder)


# -- folding --------------------------------------------------------------------------------------------------------
def _fold(lakehouse: Lakehouse, name: str, *, dry_run: bool) -> int:
    """Fold the parts of a table that have too many files, each into one in the order of the key."""
    declared = contract(name)
    columns = [column for column in declared.partitions if column != "run_id"]
    if _is_by_run(declared) or not columns:
        return 0
    files = pinned_files(lakehouse.uri(name), lakehouse.version(name))
    files = files.filter(pc.less(files["size_bytes"], _SMALL_BYTES))
    if "run_id" in declared.partitions:
        files = files.filter(pc.is_in(files["run_id"], pa.array(_finished(lakehouse), pa.string())))
    counts = files.group_by(columns).aggregate([("path", "count")])
    many = counts.filter(pc.greater(counts["path_count"], _MOST_FILES))
    for row in [] if dry_run else many.to_pylist():
        fold_part(lakehouse, name, {column: row[column] for column in columns}, files)
    return int(pc.sum(many["path_count"]).as_py() or 0)


def _finished(lakehouse: Lakehouse) -> list[str]:
    """Runs that no retry will replace any more, and what was folded before."""
    rows = lakehouse.read_arrow("ops.run", columns=["run_id", "status"]).to_pylist()
    unfinished = {row["run_id"] for row in rows if row["status"] != "succeeded"}
    return [KEPT, *({row["run_id"] for row in rows} - unfinished)]


def fold_part(lakehouse: Lakehouse, name: str, part: Mapping[str, str], files: pa.Table) -> None:
    """Write the `files` of a part as one, sorted by key, and commit it in their place: the rows stay what they are."""
    declared = contract(name)
    for column, value in part.items():
        files = files.filter(pc.equal(files[column], value))
    paths = sorted(files["path"].to_pylist())
    pinned = PinnedTable(name, lakehouse.uri(name), lakehouse.version(name), declared.file_columns())
    in_files = [column for column in declared.key if column not in declared.partitions]
    table = read_files(pinned, paths).sort_by([(column, "ascending") for column in in_files])
    values = {column: KEPT if column == "run_id" else part[column] for column in declared.partitions}
    file = write_bucket(name, lakehouse.uri(name), table, values)
    rows, by = lakehouse.rows(name), next(iter(part))
    before, whole = parts(lakehouse, name, by), parts(lakehouse, name)
    lakehouse.swap_files(name, files, [file] if file else [])
    if lakehouse.rows(name) != rows:
        raise ContractError(
            f"{name}: folding {dict(part)} turned {rows} rows into {lakehouse.rows(name)}; version {pinned.version} is "
            "whole: restore it. This is a defect: please report it."
        )
    # What is recorded of a part by the names of its files, and of the whole table, is as true as it was.
    held = Held(lakehouse)
    held.refresh(name, before, by)
    held.refresh(name, whole, None)


# -- vacuum ---------------------------------------------------------------------------------------------------------
def _vacuum(
    lakehouse: Lakehouse, name: str, grace: timedelta, needed: Sequence[int], *, dry_run: bool
) -> tuple[int, int]:
    """Delete files that are part of no version of the last while and of none that is needed; returns how many, and
    their bytes."""
    table, hours = lakehouse.open(name), int(grace.total_seconds() // 3600)
    spared = [version for version in needed if version < table.version()] or None

    def vacuum(*, dry: bool) -> list[str]:
        return table.vacuum(hours, dry_run=dry, enforce_retention_duration=False, full=True, keep_versions=spared)

    gone = {path.rsplit("/", 1)[-1] for path in vacuum(dry=True)}
    filesystem, root = uri.filesystem_of(lakehouse.uri(name))
    listed = filesystem.get_file_info(pafs.FileSelector(root, recursive=True)) if gone else []
    size = sum(info.size for info in listed if info.is_file and info.base_name in gone)
    if not dry_run:
        if gone:
            vacuum(dry=False)
        table.update_incremental()
        table.create_checkpoint()
        if not spared or not _has_old_log(table, spared[0]):
            table.cleanup_metadata()
    return len(gone), size


def _has_old_log(table: DeltaTable, version: int) -> bool:
    """Whether the log that a version is read by is so old that a cleaning would take it."""
    made = [each["timestamp"] for each in table.history() if each.get("version") == version]
    oldest = datetime.now(UTC) - timedelta(days=_LOG_DAYS)
    return not made or datetime.fromtimestamp(made[0] / 1000, UTC) <= oldest
