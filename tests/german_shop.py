"""A German till's exports, as docs/own_data.md shows them: other names, another notation, another encoding."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np

ARTICLES = (
    ("4000", "Vollmilch 1l", "Molkerei", 0.99),
    ("4001", "Butter 250g", "Molkerei", 2.39),
    ("4002", "Äpfel Gala kg", "Obst", 2.16),
    ("4003", "Kaffee 500g", "Getränke", 6.72),
)
STORES = ("Mitte", "Nord")
FIRST_DAY, LAST_DAY = date(2023, 9, 1), date(2024, 3, 30)


def write_german_shop(folder: Path) -> Path:
    """`verkauf.csv` of every day but Sundays, and `artikel_bestand.csv`; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows, ds = np.random.default_rng(5), [], FIRST_DAY
    while ds <= LAST_DAY:
        for number, (sku, _, group, price) in enumerate(ARTICLES):
            for store in STORES if ds.weekday() < 6 else ():
                units = float(rng.poisson(2.0 + 3.0 * number))
                units *= rng.uniform(0.8, 1.2) if group == "Obst" else 1.0
                if units:
                    rows.append((sku, store, f"{ds:%d.%m.%Y}", comma(units, 3), comma(units * price, 2)))
        ds += timedelta(days=1)
    _write(folder / "verkauf.csv", ("Artikel", "Filiale", "Datum", "Menge", "Umsatz"), rows)
    stock = [
        (sku, name, group, store, comma(rng.uniform(0, 60), 1 if group == "Obst" else 0), f"{LAST_DAY:%d.%m.%Y}")
        for sku, name, group, _ in ARTICLES
        for store in STORES
    ]
    _write(
        folder / "artikel_bestand.csv", ("Artikel", "Bezeichnung", "Warengruppe", "Filiale", "Bestand", "Stand"), stock
    )
    return folder


def comma(number: float, places: int) -> str:
    """A number as it is written in Germany, without needless zeros."""
    text = f"{number:.{places}f}".replace(".", ",")
    return text.rstrip("0").rstrip(",") if "," in text else text


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="windows-1252") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(header)
        writer.writerows(rows)
