"""`shelfcast map` and `shelfcast check`: what is said, the exit code, and that neither starts Spark for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lakehouse.delta.session
from jobs.cli import main
from tests.german_shop import write_german_shop

TILL = "Datum;Filiale;Artikel;Menge;Preis\n{}"


@pytest.fixture(autouse=True)
def _no_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("Spark was asked for")

    monkeypatch.setattr(lakehouse.delta.session, "build_session", refuse)


def till(folder: Path, days: int = 28) -> Path:
    folder.mkdir()
    lines = [
        f"{day:02d}.02.2024;Nord;{sku};{1 + day % 3};{price}"
        for day in range(1, days + 1)
        for sku, price in ((4711, "3,50"), (4712, "1.250,00"))
    ]
    (folder / "kasse.csv").write_text(TILL.format("\n".join(lines)), encoding="cp1252")
    return folder


def test_from_a_folder_to_a_mapping_that_a_run_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = till(tmp_path / "in"), tmp_path / "my_shop.toml"
    assert main(["map", str(folder), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "4712" in said
    assert "1250.00" in said or "1250" in said
    assert "a run would take this in: 56 of 56 rows of sales can be used" in said
    assert main(["check", "--source", str(out), "--input", str(folder)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "sales: 1 file, 56 rows, 2024-02-01 to 2024-02-28, 2 series"
    assert said[-2] == "a run would take this in: 56 of 56 rows of sales can be used"
    assert said[-1].endswith("--as-of 2024-02-28")


def test_a_mapping_that_is_there_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = till(tmp_path / "in"), tmp_path / "my_shop.toml"
    out.write_text("mine")
    assert main(["map", str(folder), "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_text() == "mine"


def test_without_out_the_mapping_alone_is_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = till(tmp_path / "in")
    assert main(["map", str(folder)]) == 0
    printed = capsys.readouterr()
    (tmp_path / "piped.toml").write_text(printed.out)
    assert main(["check", "--source", str(tmp_path / "piped.toml"), "--input", str(folder)]) == 0
    assert "as it would be read" in printed.err


def test_an_open_question_ends_with_one_and_a_mapping_that_runs_refuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "my_shop.toml"
    folder.mkdir()
    (folder / "sales.csv").write_text("date,sku,qty\n03/04/2024,A,1\n05/06/2024,A,2\n")
    assert main(["map", str(folder), "--out", str(out)]) == 1
    said = capsys.readouterr().out
    assert (
        "for you to decide: sales.csv, 'date': '03/04/2024' is 2024-04-03 as dd/MM/yyyy or 2024-03-04 as MM/dd/yyyy"
        in said
    )
    assert main(["check", "--source", str(out), "--input", str(folder)]) == 2
    assert "ds" in capsys.readouterr().err
    out.write_text(out.read_text().replace("# ds = ", "ds = ", 1))
    assert main(["check", "--source", str(out), "--input", str(folder)]) == 0
    assert "2024-04-03 to 2024-06-05" in capsys.readouterr().out


def test_a_check_names_each_loss_with_its_line_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"A,L,2024-01-{day:02d},{day},2" for day in range(1, 20)]
    lines += ["A,L,2024-01-20,x,2", "A,L,2024-01-21,-1,2", "A,L,2024-01-22,1,cheap"]
    (tmp_path / "sales.csv").write_text("\n".join(["sku_id,location_id,ds,units,unit_price", *lines]))
    asked = ["check", "--source", "feed_layout", "--input", str(tmp_path)]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "set aside by unparseable_units: 1 row; such as sales.csv:21 (row 20): units must be a number" in said
    assert "set aside by negative_units: 1 row; such as sales.csv:22 (row 21):" in said
    assert "unknown unit_price: 1 value; such as sales.csv:23 (row 22): unit_price must be" in said
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["is_refused"] is False
    assert found["feeds"]["sales"]["examples"]["negative_units"]["line"] == 22
    assert {"outcome": "used", "rule": "", "rows": 20} in found["feeds"]["sales"]["rows"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([f"A,L,2024-01-{day:02d},1" for day in (1, 8, 15, 22, 29)] + ["A,L,2024-02-05,1"], 'period = "week"'),
        ([f"A,L,{day:02d}.01.2024,1" for day in range(1, 8)], 'may be 2024-01-01 as format = "dd.MM.yyyy"'),
        ([f"A,L,2024-01-{day:02d},{'x' if day < 4 else 1}" for day in range(1, 9)], "more than max_lost_share"),
        (["A,L,2024-01-01,1.205"], "1205 where the point parts thousands"),
    ],
)
def test_what_a_run_would_refuse_ends_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[str], reason: str
) -> None:
    (tmp_path / "sales.csv").write_text("\n".join(["sku_id,location_id,ds,units", *rows]))
    assert main(["check", "--source", "feed_layout", "--input", str(tmp_path)]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("a run would refuse this: ")
    assert reason in last


def test_a_mistyped_day_far_from_all_others_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"A,L,2024-{m:02d}-{d:02d},1" for m in range(1, 11) for d in range(1, 29)]
    (tmp_path / "sales.csv").write_text("\n".join(["sku_id,location_id,ds,units", *rows, "A,L,2014-01-01,1"]))
    assert main(["check", "--source", "feed_layout", "--input", str(tmp_path)]) == 0
    assert "set aside by stray_ds: 1 row; such as sales.csv:282 (row 281):" in capsys.readouterr().out


def test_files_that_repeat_each_other_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = [f"A,L,2024-01-{day:02d},1" for day in range(1, 20)]
    (tmp_path / "sales").mkdir()
    for name, part in (("a", days[:10]), ("b", days[5:]), ("a (1)", days[:10])):
        (tmp_path / "sales" / f"{name}.csv").write_text("\n".join(["sku_id,location_id,ds,units", *part]))
    assert main(["check", "--source", "feed_layout", "--input", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "1 file the same content again, counted once" in said
    assert "10 rows, which are added up" in said


def test_folders_that_are_not_there_end_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["map", str(tmp_path / "no")]) == 2
    assert main(["check", "--source", "feed_layout", "--input", str(tmp_path / "no")]) == 2
    assert capsys.readouterr().err.count("is not a folder") == 2


def test_what_was_read_before_a_refusal_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of several files the first may be fine: a person sees how far the reading came, and why it ended."""
    columns = "sku_id,location_id,ds,units,unit_price,currency"
    (tmp_path / "sales").mkdir()
    for name, currency in (("a", ""), ("b", "XXX")):
        rows = [f"{name},L,2024-01-{day:02d},1,2,{currency}" for day in range(1, 20)]
        (tmp_path / "sales" / f"{name}.csv").write_text("\n".join([columns, *rows]))
    assert main(["check", "--source", "feed_layout", "--input", str(tmp_path)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("sales: 1 file, 19 rows")
    assert said[1].startswith("  refused, so that no further row was read: sales/b.csv row 1: its currency is 'XXX'")
    assert said[2] == "  sales/a.csv: 19 rows"
    assert said[-1].startswith("a run would refuse this: sales/b.csv row 1")


def test_a_repeated_key_is_shown_where_it_stands_and_articles_of_sales_are_said_calmly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for quarter, days in ((1, 28), (2, 5)):
        lines = [f"2024-0{quarter}-{day:02d},A,Apples,1" for day in range(1, days + 1)]
        (folder / f"sales_Q{quarter}.csv").write_text("\n".join(["date,sku,product name,qty", *lines]))
    (folder / "stock.csv").write_text("sku,date,on hand\nA,2024-02-05,7\nA,2024-02-05,8\n")
    out = tmp_path / "shop.toml"
    assert main(["map", str(folder), "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["check", "--source", str(out), "--input", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "duplicates by repeated_key: 32 rows: products are taken from the lines of sales" in said
    assert "duplicates by repeated_key: 1 row; such as stock.csv row 2: again sku_id = 'A'" in said


def test_files_that_share_days_are_named_though_no_row_of_them_is_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sales").mkdir()
    for name, units, last in (("a", 1, 9), ("b", 2, 3)):
        rows = [f"A,L,2024-01-{day:02d},{units}" for day in range(1, last)]
        (tmp_path / "sales" / f"{name}.csv").write_text("\n".join(["sku_id,location_id,ds,units", *rows]))
    assert main(["check", "--source", "feed_layout", "--input", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "note: several files state the same article, place and day, within 2024-01-01 to 2024-01-02: 4 rows" in said


def test_each_command_says_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is two feeds is listed as both; a check names the day that a run would plan from."""
    monkeypatch.chdir(tmp_path)
    write_german_shop(Path("my exports"))
    assert main(["map", "my exports", "--out", "shop.toml"]) == 0
    said = capsys.readouterr().out
    assert "products: artikel_bestand.csv\nstock: artikel_bestand.csv\n" in said
    assert said.splitlines()[-1].endswith("then shelfcast check --source shop.toml --input 'my exports'")
    assert main(["check", "--source", "shop.toml", "--input", "my exports"]) == 0
    said = capsys.readouterr().out
    assert "note: stock" not in said
    assert said.splitlines()[-1] == (
        "next: shelfcast run --source shop.toml --input 'my exports' --lakehouse lake/my_shop --as-of 2024-03-30"
    )
    stock = Path("my exports", "artikel_bestand.csv")
    stock.write_bytes(stock.read_bytes().replace(b"30.03.2024", b"31.03.2024"))
    assert main(["check", "--source", "shop.toml", "--input", "my exports"]) == 0
    assert "stock is counted until 2024-03-31, the last sale is of 2024-03-30" in capsys.readouterr().out
    assert main(["check", "--source", "shop", "--input", "my exports"]) == 2
    assert "expected --source shop.toml, found 'shop'" in capsys.readouterr().err
