"""Files by content: what the register makes of names that change, contents that repeat and files that go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.errors import SourceError
from lakehouse.feeds.feed_files import FeedFile, find_feed_files
from lakehouse.feeds.register import Line, Plan, Reading, check_size, plan_feed, when_emptied
from lakehouse.feeds.sources import Feed

Folder = dict[str, str]
OLD = "first,second"  # two rows


def feed(**rules: Any) -> Feed:
    return Feed(files=("*.csv*",), columns={}, **rules)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class House:
    """Bronze and its register without Spark: a file's text is its rows by comma, 'header' is a file without one."""

    def __init__(self, rules: Feed) -> None:
        self.feed, self.register, self.bronze = rules, {}, {}
        self.clock = self._days()

    @staticmethod
    def _days() -> Iterator[datetime]:
        at = datetime(2024, 1, 1, tzinfo=UTC)
        while True:
            yield (at := at + timedelta(days=1))

    def run(self, folder: Folder, reading: str = "r1") -> Plan:
        found = [FeedFile(name, name, len(text), digest(text), digest(text), not text) for name, text in folder.items()]
        plan = plan_feed(self.feed, found, self.register.values(), reading, next(self.clock))
        for each in plan.readings:
            rows = [row for row in folder[each.file.path].split(",") if row not in ("", "header")]
            taken = when_emptied(self.feed, each) if each.takes_rows_away and not rows else each
            for line in taken.replaces:
                self.bronze.pop(line.batch_id, None)
            self.bronze[each.file.batch_id] = rows
            settled = [line.with_rows(0) for line in taken.replaces] if taken.replaces else each.kept()
            self._register([*settled, taken.line.with_rows(len(rows))])
        for batch_id in plan.removed:
            del self.bronze[batch_id]
        self._register(plan.lines)
        assert sum(line.rows for line in self.register.values()) == sum(map(len, self.bronze.values()))
        return plan

    def _register(self, lines: Any) -> None:
        assert len({(line.batch_id, line.name) for line in lines}) == len(lines), "a line is written once"
        self.register |= {(line.batch_id, line.name): line for line in lines}

    @property
    def lines(self) -> dict[str, Line]:
        """The line of each content that counts, else the last that did."""
        lines = sorted(self.register.values(), key=lambda line: line.state != "removed")
        living = [line.batch_id for line in lines if line.state != "removed"]
        assert len(living) == len(set(living))
        return {line.batch_id: line for line in lines}

    @property
    def rows(self) -> list[str]:
        return sorted(row for rows in self.bronze.values() for row in rows)

    def name_of(self, text: str) -> str:
        return self.lines[digest(text)].name


def kinds(plan: Plan) -> list[str]:
    return [news.kind for news in plan.news]


def test_the_same_folder_again_asks_for_nothing() -> None:
    house = House(feed())
    house.run({"a.csv": OLD, "b.csv": "third"})
    plan = house.run({"a.csv": OLD, "b.csv": "third"})
    assert (plan.readings, plan.lines, plan.removed, plan.news) == ((), (), (), ())


def test_a_renamed_file_is_the_same_file() -> None:
    house = House(feed())
    house.run({"first.csv": OLD})
    plan = house.run({"2024q1.csv": OLD})
    assert not plan.readings
    assert [str(news) for news in plan.news] == ["1 file renamed, the same content as before: first.csv -> 2024q1.csv"]
    assert house.name_of(OLD) == "2024q1.csv"
    assert house.rows == ["first", "second"]
    assert not house.run({"2024q1.csv": OLD}).news


def test_content_twice_counts_once_and_is_said_each_time() -> None:
    house = House(feed())
    for _ in range(2):
        plan = house.run({"sales (1).csv": OLD, "sales.csv": OLD})
        assert [str(news) for news in plan.news] == [
            "1 file the same content again, counted once: sales.csv (as sales (1).csv)"
        ]
        assert house.rows == ["first", "second"]
    assert house.lines[digest(OLD)].other_names == ("sales.csv",)
    plan = house.run({"sales.csv": OLD})
    assert (kinds(plan), house.lines[digest(OLD)].other_names) == (["renamed"], ())


def test_new_content_under_a_name_replaces_and_a_reverted_one_replaces_again() -> None:
    house = House(feed())
    house.run({"a.csv": OLD})
    house.run({"a.csv": "corrected"})
    assert house.rows == ["corrected"]
    house.run({"a.csv": OLD})
    assert house.rows == ["first", "second"]
    assert house.lines[digest(OLD)].arrived_at > house.lines[digest("corrected")].arrived_at


def test_rotated_files_keep_what_they_gave() -> None:
    """sales.csv becomes sales.1.csv becomes sales.2.csv, as a log rotates; what falls off the end stays."""
    house = House(feed())
    house.run({"sales.csv": "1"})
    house.run({"sales.csv": "2", "sales.1.csv": "1"})
    house.run({"sales.csv": "3", "sales.1.csv": "2", "sales.2.csv": "1"})
    plan = house.run({"sales.csv": "4", "sales.1.csv": "3", "sales.2.csv": "2"})
    assert house.rows == ["1", "2", "3", "4"]
    assert sorted(kinds(plan)) == ["gone", "renamed"]
    assert [reading.file.path for reading in plan.readings] == ["sales.csv"]


def test_two_files_that_change_names_are_not_read_again() -> None:
    house = House(feed())
    house.run({"a.csv": "1", "b.csv": "2"})
    plan = house.run({"a.csv": "2", "b.csv": "1"})
    assert (plan.readings, house.rows, kinds(plan)) == ((), ["1", "2"], ["renamed"])


def test_a_file_that_is_gone_keeps_its_rows_and_is_said_in_every_run() -> None:
    house = House(feed())
    house.run({"a.csv": OLD, "b.csv": "third"})
    for _ in range(2):
        plan = house.run({"b.csv": "third"})
        assert [str(news) for news in plan.news] == ["1 file no longer in the folder, their 2 rows stay: a.csv"]
    assert house.rows == ["first", "second", "third"]
    assert house.lines[digest(OLD)].state == "gone"
    said = house.run({"b.csv": "third"}, reading="r2").news[0]
    assert "as an earlier mapping read them" in str(said)
    plan = house.run({"a.csv": OLD, "b.csv": "third"}, reading="r2")
    assert [reading.file.path for reading in plan.readings] == ["a.csv"], "back, and to be read as the mapping says now"
    assert not plan.news


def test_the_mapping_may_remove_or_refuse_what_is_gone() -> None:
    house = House(feed(when_gone="remove"))
    house.run({"a.csv": OLD, "b.csv": "third"})
    house.run({"b.csv": "third"})
    assert house.rows == ["third"]
    with pytest.raises(SourceError, match=r"all 1 rows of b\.csv would be removed"):
        house.run({})
    house.run({"a.csv": OLD, "b.csv": "third"})
    assert house.rows == ["first", "second", "third"]
    house.feed = feed(when_gone="refuse")
    with pytest.raises(SourceError, match=r"a\.csv: no longer in the input folder.*when_gone"):
        house.run({"b.csv": "third"})
    assert house.rows == ["first", "second", "third"]


@pytest.mark.parametrize("text", ["", "header"])
@pytest.mark.parametrize("is_known_elsewhere", [False, True])
def test_a_file_that_lost_its_rows_does_not_take_them_away(text: str, is_known_elsewhere: bool) -> None:
    """Even where another file is as empty, so that its content is a known one."""
    other = {"b.csv": "third"} | ({"c.csv": text} if is_known_elsewhere else {})
    house = House(feed())
    house.run({"a.csv": OLD, **other})
    with pytest.raises(SourceError, match=r"a\.csv.* with 2 rows, which stay|c\.csv.*a\.csv.*2 rows, which stay"):
        house.run({"a.csv": text, **other})
    assert house.rows == ["first", "second", "third"]
    house.feed = feed(when_emptied="keep")
    for _ in range(2):
        assert "gone" in kinds(house.run({"a.csv": text, **other})) or house.lines[digest(OLD)].state == "gone"
        assert house.rows == ["first", "second", "third"]
    house.feed = feed(when_emptied="remove")
    house.run({"a.csv": text, **other})
    assert house.rows == ["third"]
    house.run({"a.csv": OLD, **other})
    assert house.rows == ["first", "second", "third"]


def test_an_empty_file_among_others_is_said_and_alone_is_refused() -> None:
    house = House(feed())
    with pytest.raises(SourceError, match=r"a\.csv: empty"):
        house.run({"a.csv": ""})
    plan = house.run({"a.csv": "", "b.csv": "third"})
    assert [str(news) for news in plan.news] == ["1 file empty, no rows: a.csv"]
    house.run({"a.csv": "late", "b.csv": "third"})
    assert house.rows == ["late", "third"]


def test_another_mapping_reads_again_in_the_old_order() -> None:
    house = House(feed())
    house.run({"b.csv": "1"})
    house.run({"a.csv": "2", "b.csv": "1"})
    before = {batch_id: line.arrived_at for batch_id, line in house.lines.items()}
    plan = house.run({"a.csv": "2", "b.csv": "1"}, reading="r2")
    assert [reading.file.path for reading in plan.readings] == ["b.csv", "a.csv"]
    assert {batch_id: line.arrived_at for batch_id, line in house.lines.items()} == before


# how one file supersedes another


def test_a_whole_export_replaces_the_earlier_ones() -> None:
    house = House(feed(replaces="feed"))
    plan = house.run({"export_1.csv": "1", "export_2.csv": "1,2"})
    assert [reading.file.path for reading in plan.readings] == ["export_2.csv"]
    assert (house.rows, kinds(plan)) == (["1", "2"], ["superseded"])
    house.run({"export_1.csv": "1", "export_2.csv": "1,2"})
    house.run({"export_3.csv": "1,2,3"})
    assert house.rows == ["1", "2", "3"]
    house.run({"export_3.csv": "1,2,3", "aftermath.csv": "4"})
    assert house.rows == ["4"], "without order_by the file that came last is the later one"


def test_the_date_in_the_name_says_which_export_is_later() -> None:
    house = House(feed(replaces="feed", order_by=r"(?P<day>\d+)\.(?P<month>\d+)\.(?P<year>\d{4})"))
    house.run({"stand 01.02.2024.csv": "february"})
    house.run({"stand 01.02.2024.csv": "february", "stand 31.01.2024.csv": "january"})
    assert house.rows == ["february"]
    house.run({"stand 31.01.2024.csv": "january"})
    assert house.rows == ["february"], "the later one is gone and its rows stay"
    with pytest.raises(SourceError, match=r"stand\.csv: its name does not match order_by"):
        house.run({"stand.csv": "x"})


def test_versions_of_a_month_replace_each_other_and_no_other_month() -> None:
    house = House(feed(replaces=r"(\d{4}-\d\d)_v\d+", order_by=r"_v(\d+)"))
    house.run({"2024-01_v9.csv": "jan 9", "2024-01_v10.csv": "jan 10", "2024-02_v1.csv": "feb 1"})
    assert house.rows == ["feb 1", "jan 10"]
    house.run({"2024-01_v9.csv": "jan 9", "2024-02_v1.csv": "feb 1"})
    assert house.rows == ["feb 1", "jan 10"]
    house.run({"2024-01_v9.csv": "jan 9", "2024-02_v2.csv": "feb 2"})
    assert house.rows == ["feb 2", "jan 10"]
    with pytest.raises(SourceError, match=r"other_v1\.csv: its name does not match replaces"):
        house.run({"other_v1.csv": "x"})


def test_deliveries_of_one_name_add_up_where_the_mapping_says_so() -> None:
    house = House(feed(replaces="nothing"))
    for text in ("1", "2", "3"):
        house.run({"sales.csv": text})
    assert house.rows == ["1", "2", "3"]


def test_a_later_version_without_rows_supersedes_nothing_unseen() -> None:
    house = House(feed(replaces="feed"))
    with pytest.raises(SourceError, match=r"v2\.csv has no row"):
        house.run({"v1.csv": OLD, "v2.csv": "header"})
    assert house.rows == []


# names that change


names = st.sampled_from(["a.csv", "b.csv", "c.csv"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), names, st.sampled_from(["1", "2,3", "4,5,6", "7"])),
        st.tuples(st.just("move"), names, names),
        st.tuples(st.just("copy"), names, names),
        st.tuples(st.just("remove"), names, st.none()),
        st.tuples(st.just("run"), st.none(), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(steps=steps, when_gone=st.sampled_from(["keep", "remove"]))
def test_whatever_is_done_to_names_what_lies_there_counts_once(
    steps: list[tuple[str, Any, Any]], when_gone: str
) -> None:
    """Each content of the folder is in bronze once; beside them only what is gone and was not replaced."""
    house, folder = House(feed(when_gone=when_gone, optional=True)), {}
    for step, name, value in [*steps, ("run", None, None)]:
        if step == "write":
            folder[name] = value
        elif step in ("move", "copy") and name in folder:
            folder[value] = folder[name]
            if step == "move" and name != value:
                del folder[name]
        elif step == "remove":
            folder.pop(name, None)
        elif step == "run":
            house.run(folder)
            there = {digest(text) for text in folder.values()}
            held = {batch_id for batch_id, rows in house.bronze.items() if rows}
            assert there <= held
            assert {b for b in held - there if house.lines[b].state != "gone"} == set()
            assert when_gone == "keep" or held == there
            plan = house.run(folder)
            assert (plan.readings, plan.removed, plan.lines) == ((), (), ())


# files on disk


def test_values_from_the_name_make_equal_contents_different_files(tmp_path: Path) -> None:
    """Two closed shops deliver the same; the shop stands in the name alone. A new name is then a new statement."""
    by_name = Feed(files=("*.csv",), columns={"location_id": {"expr": "split(source_file, '[.]')[0]"}})
    for shop in ("north", "south"):
        (tmp_path / f"{shop}.csv").write_text("sku\nA\n")
    found = find_feed_files(by_name, tmp_path)
    assert len({file.batch_id for file in found}) == 2
    now = datetime(2024, 1, 1, tzinfo=UTC)
    lines = [each.line.with_rows(1) for each in plan_feed(by_name, found, [], "r", now).readings]
    (tmp_path / "south.csv").rename(tmp_path / "west.csv")
    plan = plan_feed(by_name, find_feed_files(by_name, tmp_path), lines, "r", now + timedelta(days=1))
    assert [each.file.path for each in plan.readings] == ["west.csv"]
    assert [line.name for line in plan.readings[0].replaces] == ["south.csv"]
    assert plan.readings[0].line.arrived_at == lines[1].arrived_at
    assert kinds(plan) == ["renamed"]


def test_a_line_is_what_its_row_says() -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    line = Line("b1", "a.csv", "r1", 10, 2, at, "read", ("ä.csv", "b.csv"))
    assert Line.of(line.row("shop", "sales")) == line
    earlier = {
        key: value for key, value in line.row("shop", "sales").items() if key not in ("file_state", "other_names")
    }
    assert Line.of(earlier) == Line("b1", "a.csv", "r1", 10, 2, at, None, ())


def sized(rows: int, before: int, others: tuple[int, ...] = (), **rules: Any) -> str | None:
    """What is said of a file of `rows` in place of one with `before`, beside files of the feed that have `others`."""
    day = datetime(2024, 1, 1, tzinfo=UTC)
    line, old = (Line(name, f"{name}.csv", "r1", 1, count, day) for name, count in (("new", 0), ("old", before)))
    reading = Reading(FeedFile("new.csv", "new.csv", 1, "new", "new", False), line, (old,) if before else ())
    news = check_size(feed(**rules), reading, rows, others)
    return None if news is None else f"{news.kind}: {news}"


def test_a_file_in_place_of_twice_its_rows_stops_the_run_unless_the_mapping_says_so() -> None:
    for rows in (0, 1, 1_000):
        with pytest.raises(SourceError, match=rf"new.csv has {rows:,} rows; .* old.csv with 2,000 .*when_shrunk"):
            sized(rows, 2_000)
        assert sized(rows, 2_000, when_shrunk="accept") == f"shrunk: {rows:,} rows in place of 2,000: new.csv"
    assert [sized(rows, 2_000) for rows in (1_001, 2_000, 2_999)] == [None, None, None]
    assert sized(3_000, 2_000) == "grown: 3,000 rows in place of 2,000: new.csv"
    assert [sized(1, 999), sized(0, 30), sized(900, 10)] == [None, None, None], "small files come and go"


def test_a_file_with_half_the_rows_of_the_others_is_named() -> None:
    usual = (1_000, 1_100, 1_200, 1_000, 9_000)
    words = "small: 550 rows where files of the feed have 1,100, so it may not be whole: new.csv"
    assert sized(550, 0, usual) == words
    assert [sized(551, 0, usual), sized(1, 0, usual[:4]), sized(1, 0, (10, 10, 10, 10, 10))] == [None, None, None]
