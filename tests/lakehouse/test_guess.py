"""Exports as different systems write them: the proposed mapping reads them to the right rows, by the run's reader."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from lakehouse.errors import ConfigError
from lakehouse.feeds.feed_files import find_feed_files
from lakehouse.feeds.guessing.proposal import Proposal, propose
from lakehouse.feeds.reading import open_feed_file

Row = tuple[Any, ...]


def no_spark() -> NoReturn:
    raise AssertionError("a proposal is read without Spark")


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def rows(found: Proposal, folder: Path, feed: str, *columns: str) -> list[Row]:
    """What the proposed mapping makes of a feed's files, in the order of files and rows."""
    mapping = found.mapping("shop")
    files = find_feed_files(mapping.feeds[feed], folder)
    tables = [t for file in files for t in open_feed_file(file, feed, mapping, folder, no_spark).tables()]
    return [row for table in tables for row in zip(*(table[name].to_pylist() for name in columns), strict=True)]


GERMAN_TILL = """Umsatzbericht;;;;;;;
Zeitraum 01.01.2024 - 31.01.2024;;;;;;;

Bon-Nr.;Datum;Filiale;Art.-Nr.;Bezeichnung;Menge;Einzelpreis;Aktion;
1001;03.01.2024;Nord;0815;Müsli "Bio";2;3,49 €;ja;
1001;03.01.2024;Nord;4711;Käse;0,750;12,90 €;nein;
1002;31.01.2024;Süd;0815;Müsli "Bio";1.205;3,49 €;nein;
1003;31.01.2024;Süd;4711;Käse;1-;12,90 €;;
Summe;;;;;1.206,750;;;
Erstellt am 01.02.2024 08:00;;;;;;;
"""


def test_a_german_till_with_preamble_decimal_commas_and_sums(tmp_path: Path) -> None:
    write(tmp_path / "kasse" / "2024-01.csv", GERMAN_TILL, "cp1252")
    found = propose(tmp_path)
    (asked,) = found.questions
    assert asked.startswith("kasse/2024-01.csv, 'Menge': some units are below zero; where they take back")
    assert '# match_on = ["location_id", "sku_id"]' in found.text  # no receipt has both lines
    assert rows(found, tmp_path, "sales", "transaction_id", "ds", "location_id", "sku_id", "units", "unit_price") == [
        ("1001", "2024-01-03", "Nord", "0815", "2", "3.49"),
        ("1001", "2024-01-03", "Nord", "4711", "0.750", "12.90"),
        ("1002", "2024-01-31", "Süd", "0815", "1205", "3.49"),
        ("1003", "2024-01-31", "Süd", "4711", "-1", "12.90"),
    ]
    assert rows(found, tmp_path, "sales", "is_promo") == [("true",), ("false",), ("false",), (None,)]
    assert rows(found, tmp_path, "products", "sku_id", "product_name")[0] == ("0815", 'Müsli "Bio"')
    assert found.mapping("shop").currency == "EUR"


SHOPIFY = """Name,Email,Paid,Total,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Notes
#1001,a@x.org,paid,8.50,2024-01-31 23:30:00 -0500,2,Tea,3.50,TEA-1,"ring
twice"
#1001,,,,2024-01-31 23:30:00 -0500,1,Mug,1.50,MUG-1,
#1002,b@x.org,paid,3.50,2024-07-01 09:00:00 -0400,1,Tea,3.50,TEA-1,
"""


def test_orders_with_several_lines_and_times_with_an_offset(tmp_path: Path) -> None:
    write(tmp_path / "orders_export_1.csv", SHOPIFY)
    found = propose(tmp_path)
    assert found.questions == []
    assert rows(found, tmp_path, "sales", "transaction_id", "ds", "sku_id", "units", "unit_price", "location_id") == [
        ("#1001", "2024-01-31", "TEA-1", "2", "3.50", "shop"),
        ("#1001", "2024-01-31", "MUG-1", "1", "1.50", "shop"),
        ("#1002", "2024-07-01", "TEA-1", "1", "3.50", "shop"),
    ]
    assert any("'shop'" in note for note in found.notes)


def test_an_order_whose_first_line_alone_has_its_day(tmp_path: Path) -> None:
    lines = [
        "Order Number,Order Date,SKU,Quantity,Item Cost",
        "7,2024-02-28,A,1,2.00",
        "7,,B,2,3.00",
        "8,2024-02-29,A,4,2.00",
    ]
    write(tmp_path / "orders.csv", "\n".join(lines))
    found = propose(tmp_path)
    assert rows(found, tmp_path, "sales", "transaction_id", "ds", "sku_id", "units") == [
        ("7", "2024-02-28", "A", "1"),
        ("7", "2024-02-28", "B", "2"),
        ("8", "2024-02-29", "A", "4"),
    ]


def test_a_french_wide_table_with_a_column_per_day(tmp_path: Path) -> None:
    days = [f"{day:02d}/02/2024" for day in range(10, 20)]
    body = [f"0007;Thé vert;Lyon;{';'.join(str(n) for n in range(10))}", f"0008;Café;Nice;{';'.join(['0'] * 10)}"]
    write(tmp_path / "ventes.csv", "\ufeff" + "\r\n".join([f"Référence;Désignation;Magasin;{';'.join(days)}", *body]))
    found = propose(tmp_path)
    assert found.questions == []
    read = rows(found, tmp_path, "sales", "sku_id", "location_id", "ds", "units")
    assert len(read) == 20
    assert ("0007", "Lyon", "2024-02-13", "3") in read
    assert rows(found, tmp_path, "products", "sku_id", "product_name") == [("0007", "Thé vert"), ("0008", "Café")]


def test_spanish_tickets_in_utf_16_by_tabs_and_a_stock_list(tmp_path: Path) -> None:
    tickets = ["Nº Ticket\tFecha\tTienda\tCódigo artículo\tCantidad\tPrecio unitario"]
    tickets += ["T1\t5/3/2024 9:15\tMadrid\tAB-1\t2\t1.250,00", "T2\t25/3/2024 18:02\tSevilla\tAB-2\t1\t7,95"]
    write(tmp_path / "ventas_marzo.txt", "\n".join(tickets), "utf-16")
    stock = [
        "Código;Tienda;Fecha inventario;Existencias;En pedido",
        "AB-1;Madrid;31/03/2024;1.200;0",
        "AB-2;Sevilla;31/03/2024;3,5;12",
    ]
    write(tmp_path / "existencias.csv", "\n".join(stock), "cp1252")
    found = propose(tmp_path)
    assert found.questions == []
    assert rows(
        found, tmp_path, "sales", "transaction_id", "ds", "location_id", "sku_id", "units", "unit_price", "sold_at"
    ) == [
        ("T1", "2024-03-05", "Madrid", "AB-1", "2", "1250.00", "2024-03-05 09:15:00"),
        ("T2", "2024-03-25", "Sevilla", "AB-2", "1", "7.95", "2024-03-25 18:02:00"),
    ]
    assert rows(found, tmp_path, "stock", "sku_id", "location_id", "ds", "on_hand_qty", "on_order_qty") == [
        ("AB-1", "Madrid", "2024-03-31", "1200", "0"),
        ("AB-2", "Sevilla", "2024-03-31", "3.5", "12"),
    ]


def test_chinese_tickets_in_gbk(tmp_path: Path) -> None:
    lines = ["小票号,销售日期,门店编码,商品编码,商品名称,销售数量,单价,是否促销"]
    lines += ["A1,2024年1月5日,上海01,6901,绿茶,2,¥3.50,是", "A2,2024年12月31日,北京02,6902,红茶,1,¥1,280.00,否"]
    text = "\n".join(lines).replace("¥1,280.00", '"¥1,280.00"').replace("¥", "￥")
    write(tmp_path / "销售明细.csv", text, "gbk")
    found = propose(tmp_path)
    assert found.questions == []
    assert rows(found, tmp_path, "sales", "ds", "location_id", "sku_id", "units", "unit_price", "is_promo") == [
        ("2024-01-05", "上海01", "6901", "2", "3.50", "true"),
        ("2024-12-31", "北京02", "6902", "1", "1280.00", "false"),
    ]


def test_a_workbook_with_a_title_and_two_sheets(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "门店.xlsx") as book:
        day, sales, goods = (
            book.add_format({"num_format": "yyyy-mm-dd"}),
            book.add_worksheet("销售"),
            book.add_worksheet("商品"),
        )
        sales.write_row(0, 0, ["一月销售报表"])
        sales.write_row(2, 0, ["日期", "门店", "货号", "数量", "售价"])
        for at, (number, units) in enumerate([(6901, 2), (6902, 1.5)], start=3):
            sales.write_datetime(at, 0, datetime(2024, 1, at), day)
            sales.write_row(at, 1, ["上海", number, units, 3.5])
        sales.write_row(5, 0, ["合计", "", "", 3.5])
        goods.write_row(0, 0, ["货号", "品名", "类别", "进价", "交货期"])
        goods.write_row(1, 0, [6901, "绿茶", "饮料", 2.1, 7])
        goods.write_row(2, 0, [6902, "红茶", "饮料", 2.2, 14])
    found = propose(tmp_path)
    assert found.questions == []
    assert rows(found, tmp_path, "products", "sku_id", "product_name", "category") == [
        ("6901", "绿茶", "饮料"),
        ("6902", "红茶", "饮料"),
    ]
    assert rows(found, tmp_path, "sales", "ds", "location_id", "sku_id", "units", "unit_price") == [
        ("2024-01-03", "上海", "6901", "2", "3.5"),
        ("2024-01-04", "上海", "6902", "1.5", "3.5"),
    ]
    assert rows(found, tmp_path, "supply", "sku_id", "location_id", "lead_time_days", "unit_cost") == [
        ("6901", "上海", "7", "2.1"),
        ("6902", "上海", "14", "2.2"),
    ]


def test_sales_items_stores_and_holidays_in_files_of_their_own(tmp_path: Path) -> None:
    write(
        tmp_path / "train.csv.gz",
        "id,date,store_nbr,item_nbr,unit_sales,onpromotion\n0,2016-01-01,25,103665,7.0,\n1,2016-01-02,3,105574,1.5,True\n",
    )
    write(
        tmp_path / "items.csv",
        "item_nbr,family,class,perishable\n103665,BREAD/BAKERY,2712,1\n105574,GROCERY I,1045,0\n",
    )
    write(
        tmp_path / "stores.csv",
        "store_nbr,city,state,type,cluster\n3,Quito,Pichincha,D,8\n25,Salinas,Santa Elena,D,1\n",
    )
    write(
        tmp_path / "holidays_events.csv",
        "date,type,locale,locale_name,description,transferred\n"
        "2016-01-01,Holiday,National,Ecuador,Primer dia del ano,False\n"
        "2016-05-01,Holiday,National,Ecuador,Dia del Trabajo,False\n",
    )
    write(tmp_path / "oil.csv", "date,dcoilwtico\n2016-01-01,\n2016-01-04,36.81\n")
    found = propose(tmp_path)
    assert found.questions == []
    assert rows(found, tmp_path, "sales", "ds", "location_id", "sku_id", "units", "is_promo") == [
        ("2016-01-01", "25", "103665", "7.0", "false"),
        ("2016-01-02", "3", "105574", "1.5", "true"),
    ]
    assert rows(found, tmp_path, "products", "sku_id", "category") == [
        ("103665", "BREAD/BAKERY"),
        ("105574", "GROCERY I"),
    ]
    assert rows(found, tmp_path, "locations", "location_id", "region")[0][0] == "3"
    assert rows(found, tmp_path, "calendar", "ds", "event_name")[0] == ("2016-01-01", "Primer dia del ano")
    assert ["oil.csv" in line for line in found.unplaced] == [True]


def test_items_of_a_till_with_dollars_returns_and_names_that_mean_something_else(tmp_path: Path) -> None:
    head = "Date,Time,Category,Item,Qty,Price Point Name,SKU,Gross Sales,Discounts,Net Sales,Transaction ID,Location"
    lines = ['1/2/24,08:15:03,Coffee,Latte,1.0,Regular,LAT-R,"$1,004.50",$0.00,$4.50,t1,Main St']
    lines += ["1/13/24,09:00:00,Bakery,Scone,-2.0,,SC,-$7.00,$0.00,-$7.00,t2,Main St"]
    write(tmp_path / "items-2024-01.csv", "\n".join([head, *lines]))
    found = propose(tmp_path)
    assert [words.split(";")[0] for words in found.questions] == ["items-2024-01.csv, 'Qty': some units are below zero"]
    assert rows(found, tmp_path, "sales", "ds", "location_id", "sku_id", "units", "transaction_id") == [
        ("2024-01-02", "Main St", "LAT-R", "1.0", "t1"),
        ("2024-01-13", "Main St", "SC", "-2.0", "t2"),
    ]
    assert rows(found, tmp_path, "products", "sku_id", "product_name") == [("LAT-R", "Latte"), ("SC", "Scone")]
    assert "# [clean.cancellations]" in found.text


def test_french_tickets_with_days_in_words_and_money_signs(tmp_path: Path) -> None:
    head = "Ticket n°;Date;Magasin;Code article;Libellé;Qté;Prix unitaire TTC;Montant TTC"
    lines = [
        "1;lundi 5 février 2024;Lyon;A1;Café;2;3,50 €;7,00 €",
        "2;mardi 20 août 2024;Lyon;A2;Thé;1;1\u00a0250,00 €;1\u00a0250,00 €",
    ]
    write(tmp_path / "tickets.csv", "\r\n".join([head, *lines]), "cp1252")
    found = propose(tmp_path)
    assert found.questions == []
    assert rows(found, tmp_path, "sales", "ds", "location_id", "sku_id", "units", "unit_price") == [
        ("2024-02-05", "Lyon", "A1", "2", "3.50"),
        ("2024-08-20", "Lyon", "A2", "1", "1250.00"),
    ]


def test_one_column_proves_the_signs_of_all_and_a_list_is_stock_and_supply(tmp_path: Path) -> None:
    write(tmp_path / "sales.csv", "ds,sku_id,location_id,units\n2024-01-05,A-1,Nord,1\n2024-01-06,A-2,Süd,1\n")
    lines = ["Stichtag;Artikelnummer;Lager;Bestand;EK-Preis;Lieferzeit (Tage)", "31.01.2024;A-1;Nord;1.250;3,10;7"]
    write(tmp_path / "Bestand.csv", "\n".join(lines))
    found = propose(tmp_path)
    assert found.questions == []
    assert rows(found, tmp_path, "stock", "ds", "sku_id", "on_hand_qty") == [("2024-01-31", "A-1", "1250")]
    assert rows(found, tmp_path, "supply", "location_id", "lead_time_days", "unit_cost") == [("Nord", "7", "3.10")]


def test_cells_of_a_wide_table_that_may_have_thousands_are_asked(tmp_path: Path) -> None:
    days = [f"2024-01-{day:02d}" for day in range(1, 8)]
    write(tmp_path / "sales.csv", f"sku;{';'.join(days)}\nA;{';'.join(['1.205'] * 7)}\n")
    found = propose(tmp_path)
    assert len(found.questions) == 1
    answered = Proposal(found.text.replace('# notation = { decimal = "," }', 'notation = { decimal = "," }'))
    assert rows(answered, tmp_path, "sales", "ds", "units")[0] == ("2024-01-01", "1205")


def test_lines_of_an_erp_parted_by_bars(tmp_path: Path) -> None:
    lines = [
        "Werk|Material|Materialkurztext|Buchungsdatum|Menge|Betrag",
        "0010|000815|Schraube M4|31.12.2023|1.000,000|99,00",
    ]
    lines += ["0010|000816|Mutter M4|02.01.2024|12,000|1,20"]
    write(tmp_path / "umsatz.dat", "\n".join(lines))
    found = propose(tmp_path)
    assert found.questions == []
    assert rows(found, tmp_path, "sales", "location_id", "sku_id", "ds", "units") == [
        ("0010", "000815", "2023-12-31", "1000.000"),
        ("0010", "000816", "2024-01-02", "12.000"),
    ]
    assert any("'Betrag'" in note for note in found.notes)


# -- what is left open -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("texts", "patterns"),
    [
        (["03/04/2024", "05/06/2024"], ("dd/MM/yyyy", "MM/dd/yyyy")),
        (["3-4-24", "5-6-24"], None),
        (["03-04-2024", "05-06-2024"], ("dd-MM-yyyy", "MM-dd-yyyy")),
    ],
)
def test_a_day_that_may_be_a_month_is_asked_with_both_readings(
    tmp_path: Path, texts: list[str], patterns: tuple[str, ...] | None
) -> None:
    write(tmp_path / "sales.csv", "\n".join(["date,sku,qty", *(f"{text},A,1" for text in texts)]))
    found = propose(tmp_path)
    assert len(found.questions) == 1
    with pytest.raises(ConfigError, match="ds"):
        found.mapping("shop")
    for pattern in patterns or ():
        assert f'# ds = {{ column = "date", format = "{pattern}" }}' in found.text
        answered = Proposal(
            found.text.replace(
                f'# ds = {{ column = "date", format = "{pattern}"', f'ds = {{ column = "date", format = "{pattern}"'
            )
        )
        month = 4 if pattern.startswith("dd") else 3
        assert rows(answered, tmp_path, "sales", "ds")[0] == (f"2024-{month:02d}-{7 - month:02d}",)


def test_one_day_past_the_twelfth_decides(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "date,sku,qty\n03/04/2024,A,1\n")
    write(tmp_path / "b.csv", "date,sku,qty\n04/13/2024,A,2\n")
    found = propose(tmp_path)
    assert found.questions == []
    assert rows(found, tmp_path, "sales", "ds", "units") == [("2024-03-04", "1"), ("2024-04-13", "2")]


@pytest.mark.parametrize(("text", "sign"), [('"1,205"', ","), ("1.205", ".")])
def test_a_sign_that_may_part_thousands_or_decimals_is_asked(tmp_path: Path, text: str, sign: str) -> None:
    write(tmp_path / "sales.csv", f"date,sku,qty\n2024-01-05,A,900\n2024-01-06,A,{text}\n")
    found = propose(tmp_path)
    assert len(found.questions) == 1
    other = "." if sign == "," else ","
    answered = Proposal(
        found.text.replace(
            f'# units = {{ column = "qty", decimal = "{other}" }}', f'units = {{ column = "qty", decimal = "{other}" }}'
        )
    )
    assert rows(answered, tmp_path, "sales", "units") == [("900",), ("1205",)]


def test_instants_in_utc_need_the_zone_of_the_place(tmp_path: Path) -> None:
    write(tmp_path / "sales.csv", "created_at,sku,qty\n2024-01-05T23:30:00Z,A,1\n")
    found = propose(tmp_path)
    assert any("UTC" in question for question in found.questions)
    answered = Proposal(found.text.replace('# timezone = "Europe/Berlin"', 'timezone = "Europe/Berlin"'))
    assert rows(answered, tmp_path, "sales", "ds") == [("2024-01-06",)]


def test_no_article_is_guessed_from_a_column_that_is_not_named_like_one(tmp_path: Path) -> None:
    write(tmp_path / "sales.csv", "date,shop,qty,thing\n2024-01-05,S,1,apple\n")
    found = propose(tmp_path)
    assert '# sku_id = "thing"' in found.text
    assert any("sku_id" in question for question in found.questions)


def test_a_parquet_file_with_a_zone_and_codes_as_floats(tmp_path: Path) -> None:
    times = pa.array([datetime(2024, 1, 2, 3, 30), datetime(2024, 1, 3, 12)], pa.timestamp("us", "America/New_York"))
    pq.write_table(pa.table({"day": times, "sku": [4711.0, 4712.0], "qty": [1, 2]}), tmp_path / "sales.parquet")
    found = propose(tmp_path)
    assert found.questions == []
    assert rows(found, tmp_path, "sales", "ds", "sku_id", "units") == [
        ("2024-01-01", "4711", "1"),
        ("2024-01-03", "4712", "2"),
    ]


def test_a_second_shape_of_one_feed_an_empty_file_and_a_stranger_are_named(tmp_path: Path) -> None:
    write(tmp_path / "sales_1.csv", "date,sku,qty\n2024-01-05,A,1\n2024-01-06,A,1\n")
    write(tmp_path / "sales_2.csv", "day,article id,units,price\n2024-01-05,A,1,2\n")
    write(tmp_path / "sales_3.csv", "")
    write(tmp_path / "weather.csv", "station,temperature\nX,3\nY,4\n")
    (tmp_path / "notes.pdf").write_bytes(b"%PDF")
    found = propose(tmp_path)
    named = "\n".join(found.unplaced)
    assert "sales_1.csv" in named  # the second has the better fit
    assert "sales_3.csv: empty" in named
    assert "weather.csv: no feed is seen in its columns" in named
    assert "notes.pdf" in named
    assert rows(found, tmp_path, "sales", "unit_price") == [("2",)]


def test_files_of_one_shape_are_one_pattern_that_takes_in_no_other(tmp_path: Path) -> None:
    for month in ("2024-01", "2024-02"):
        write(tmp_path / "till" / f"{month}.csv", f"date,sku,qty\n{month}-05,A,1\n")
    write(tmp_path / "odd [1].csv", "sku,name\nA,Tea\n")
    found = propose(tmp_path)
    mapping = found.mapping("shop")
    assert mapping.feeds["sales"].files == ("till/*.csv",)
    assert rows(found, tmp_path, "products", "product_name") == [("Tea",)]


def test_orders_that_are_no_sale_are_asked_for_with_their_values_and_the_line_that_leaves_them_out(
    tmp_path: Path,
) -> None:
    """A state that only an order's first line has is filled down; one that says the same of all rows is no question."""
    header = "Order ID,Order Status,Shop Status,Cancelled at,Order date,SKU,Qty\n"
    lines = [
        f"{n},{'Cancelled' if n == 7 else 'Done'},open,{'2024-01-09' if n == 7 else ''},2024-01-{n:02d},A{n % 3},1\n"
        f"{n},,open,,2024-01-{n:02d},B{n % 3},2\n"
        for n in range(1, 21)
    ]
    write(tmp_path / "orders.csv", header + "".join(lines))
    found = propose(tmp_path)
    assert found.questions == [
        "orders.csv, 'Order Status' (Done 19, Cancelled 1, empty 20): are all of these sales?",
        "orders.csv, 'Cancelled at' (2024-01-09 1, empty 39): are all of these sales?",
    ]
    assert len(rows(found, tmp_path, "sales", "sku_id")) == 40
    answered = Proposal(found.text.replace("# drop_when", "drop_when"))
    left_out = [row for row in rows(answered, tmp_path, "sales", "transaction_id", "is_dropped") if row[1]]
    assert left_out == [("7", True), ("7", True)]


@pytest.mark.parametrize(
    ("header", "values", "condition"),
    [
        ("订单状态", ["交易成功", "交易关闭", "交易成功"], "`订单状态` IN ('交易关闭')"),
        ("Auftragsstatus", ["geliefert", "geliefert", "offen"], "`Auftragsstatus` <> 'geliefert'"),
        ("Statut", ["payée", "annulée", "payée"], "`Statut` IN ('annulée')"),
        ("Estado", ["pagado", "pagado", "anulado"], "`Estado` IN ('anulado')"),
        ("Movement type", ["601", "602", "101"], "`Movement type` NOT IN ('601', '602')"),
        ("Void", ["", "X", ""], "`Void` IS NOT NULL"),
        ("Status", ["paid", "paid", "paid"], None),
        ("Movement type", ["601", "602", "601"], None),
    ],
)
def test_a_state_is_known_in_five_languages(
    tmp_path: Path, header: str, values: list[str], condition: str | None
) -> None:
    lines = [f"2024-01-{day:02d},A,1,{values[day % 3]}" for day in range(1, 28)]
    write(tmp_path / "sales.csv", "\n".join([f"date,sku,qty,{header}", *lines]))
    found = propose(tmp_path)
    assert len(found.questions) == (condition is not None)
    assert condition is None or f'# drop_when = "{condition}"' in found.text


def test_lines_below_zero_that_a_column_marks_leave_nothing_to_decide_about_that_column(tmp_path: Path) -> None:
    lines = [f"{n};2024-01-{n:02d};A;{'-' if n % 5 == 0 else ''}1;{'J' if n % 5 == 0 else ''}" for n in range(1, 28)]
    write(tmp_path / "kasse.csv", "\n".join(["Bon-Nr.;Datum;Art.-Nr.;Menge;Storno", *lines]))
    assert "drop_when" not in propose(tmp_path).text


def test_a_line_taken_back_is_told_by_the_receipt_that_both_lines_share(tmp_path: Path) -> None:
    """The time of day beside the day orders them."""
    lines = [f"{n},2024-01-{n:02d},9:{n:02d},A,2" for n in range(1, 28)] + ["5,2024-01-05,10:00,A,-2"]
    write(tmp_path / "sales.csv", "\n".join(["receipt no,date,time,sku,qty", *lines]))
    found = propose(tmp_path)
    assert '# match_on = ["sku_id", "transaction_id"]' in found.text
    assert rows(found, tmp_path, "sales", "sold_at")[-1] == ("2024-01-05 10:00:00",)


SAP = """28.11.2026                     Dynamic List Display                    1
------------------------------------------------------------------------

-------------------------------------------------------------------------------------------
|Material |Plnt|MvT|Pstng Date|Mat. Doc. |Quantity|BUn|Amount in LC|Crcy|Material Description|
-------------------------------------------------------------------------------------------
|00020001 |1010|601|03.11.2026|4900000001|      5-|EA |    1.012,50-|EUR |FOODS_1             |
|00020001 |1010|601|04.11.2026|4900000002|      2-|EA |      405,00-|EUR |FOODS_1             |
-------------------------------------------------------------------------------------------
|Material |Plnt|MvT|Pstng Date|Mat. Doc. |Quantity|BUn|Amount in LC|Crcy|Material Description|
-------------------------------------------------------------------------------------------
|00020002 |1020|602|05.11.2026|4900000003|      3 |EA |        6,00 |EUR |FOODS_2             |
|00020002 |1020|601|05.11.2026|4900000003|      3-|EA |        6,00-|EUR |FOODS_2             |
|00020002 |1020|101|29.11.2026|4900000004|     90 |EA |      180,00 |EUR |FOODS_2             |
-------------------------------------------------------------------------------------------
|*        |    |   |          |          |     83 |EA |    1.237,50-|EUR |                    |
-------------------------------------------------------------------------------------------
"""


def test_a_list_of_movements_with_pages_and_rulers(tmp_path: Path) -> None:
    write(tmp_path / "MB51_202611.txt", SAP, "utf-16")
    found = propose(tmp_path)
    assert any("'MvT' (601 3, 602 1, 101 1): are all of these sales?" in words for words in found.questions)
    text = found.text.replace("# drop_when", "drop_when").replace("# line_value", "line_value")
    answered = Proposal(text)
    columns = ("sku_id", "location_id", "ds", "transaction_id", "units", "unit_price", "is_dropped")
    assert rows(answered, tmp_path, "sales", *columns) == [
        ("00020001", "1010", "2026-11-03", "4900000001", "5", "202.5", None),
        ("00020001", "1010", "2026-11-04", "4900000002", "2", "202.5", None),
        ("00020002", "1020", "2026-11-05", "4900000003", "-3", "2", None),
        ("00020002", "1020", "2026-11-05", "4900000003", "3", "2", None),
        ("00020002", "1020", "2026-11-29", "4900000004", "-90", "2", True),
    ]
    assert rows(answered, tmp_path, "products", "sku_id", "product_name")[0] == ("00020001", "FOODS_1")


def test_sheets_of_one_shape_with_blocks_and_sums_between_them(tmp_path: Path) -> None:
    """And a list of articles with a count for each shop, and terms for all of them."""
    with xlsxwriter.Workbook(tmp_path / "Ventes.xlsx") as book:
        day = book.add_format({"num_format": "dd/mm/yyyy"})
        for year in (2023, 2024):
            sheet = book.add_worksheet(f"Ventes {year}")
            sheet.write_row(0, 0, ["Magasin", "Date", "Référence", "Qté vendue"])
            at = 1
            for shop in ("Lyon", "Nantes"):
                for number in range(1, 11):
                    sheet.write_row(at, 0, [shop if number == 1 else "", None, 4100 + number % 2, number])
                    sheet.write_datetime(at, 1, datetime(year, 3, number), day)
                    at += 1
                sheet.write_row(at, 0, [f"Total {shop}", "", "", 55])
                at += 1
            sheet.write(at, 0, "TOTAL GENERAL")
    with xlsxwriter.Workbook(tmp_path / "Articles.xlsx") as book:
        sheet = book.add_worksheet()
        header = ["Référence", "Désignation", "Fournisseur", "Délai de livraison (jours)", "Stock Lyon", "Stock Nantes"]
        for at, row in enumerate((header, [4100, "a", "G", 3, 7, 8], [4101, "b", "G", 5, 9, 0])):
            sheet.write_row(at, 0, row)
    found = propose(tmp_path)
    assert found.questions == []
    assert '# country = "FR"' in found.text
    assert 'currency = "EUR"   # a guess' in found.text
    sold = [row for row in rows(found, tmp_path, "sales", "location_id", "ds", "units", "is_dropped") if not row[-1]]
    assert len(sold) == 40
    assert [sold[at][:3] for at in (9, 10, 39)] == [
        ("Lyon", "2023-03-10", "10"),
        ("Nantes", "2023-03-01", "1"),
        ("Nantes", "2024-03-10", "10"),
    ]
    assert rows(found, tmp_path, "stock", "sku_id", "location_id", "on_hand_qty") == [
        ("4100", "Lyon", "7"),
        ("4101", "Lyon", "9"),
        ("4100", "Nantes", "8"),
        ("4101", "Nantes", "0"),
    ]
    terms = [("4100", "*", "G", "3"), ("4101", "*", "G", "5")]
    assert rows(found, tmp_path, "supply", "sku_id", "location_id", "supplier_id", "lead_time_days") == terms
