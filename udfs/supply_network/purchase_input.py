"""Feeds and policies as the choice of suppliers takes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats

from udfs.inventory.demand_distribution import FloatArray
from udfs.inventory.inventory_spec import InventorySpec
from udfs.inventory.review_calendar import weekday_numbers
from udfs.inventory.supply import DAYS_PER_YEAR
from udfs.supply_network.offers import Need, Offers, SupplierTerms

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PurchaseInput:
    """Series with at least one offer, in order, and what goes into their choice. policy: their rows by unique_id.

    pack_O: units a pack of each offer. weekdays: by supplier, () for any day. failures: (unique_id, what is wrong).
    """

    unique_id_S: list[str]
    offers: Offers
    suppliers: SupplierTerms
    need: Need
    policy: dict[str, Row]
    pack_O: FloatArray
    weekdays: dict[str, tuple[int, ...]]
    failures: list[tuple[str, str]]


def purchase_input(offer: pa.Table, supplier: pa.Table, policy: pa.Table, spec: InventorySpec) -> PurchaseInput:
    """offer, supplier: rows of silver.offer and silver.supplier; policy: rows of inventory.policy.

    A supplier without terms takes orders every `spec.review_days` at no cost. An offer that cannot be used costs itself
    alone; a series is planned by the others, and by none it is left to the order as its policy wants it.
    """
    planned = {str(row["unique_id"]): row for row in policy.to_pylist()}
    rows = [row for row in offer.to_pylist() if row["unique_id"] in planned]
    rows.sort(key=lambda row: (row["unique_id"], row["supplier_id"]))
    stated = {row["supplier_id"]: row for row in supplier.to_pylist()}
    terms, weekdays = _suppliers(sorted({row["supplier_id"] for row in rows}), stated, spec)
    ids = sorted({row["unique_id"] for row in rows})
    every = _offers(rows, ids, terms, stated, spec)
    faults = every.faults(terms)
    failures = [(rows[o]["unique_id"], words) for o, words in faults]
    good = np.ones(len(rows), dtype=bool)
    good[[o for o, _ in faults]] = False
    left = [row for row, is_good in zip(rows, good, strict=True) if is_good]
    kept = sorted({row["unique_id"] for row in left})
    offers = _offers(left, kept, terms, stated, spec)
    pack_O = np.array([row["pack_qty"] or spec.pack_qty for row in left], dtype=np.float64)
    need = _need([planned[unique_id] for unique_id in kept], spec)
    return PurchaseInput(kept, offers, terms, need, planned, pack_O, weekdays, failures)


def _suppliers(
    names: list[str], stated: dict[str, Row], spec: InventorySpec
) -> tuple[SupplierTerms, dict[str, tuple[int, ...]]]:
    told = [stated.get(name, {}) for name in names]
    weekdays = {
        name: weekday_numbers(str(row.get("review_weekdays") or "")) for name, row in zip(names, told, strict=True)
    }
    cycle = [
        7.0 / len(weekdays[name]) if weekdays[name] else row.get("review_days") or spec.review_days
        for name, row in zip(names, told, strict=True)
    ]
    terms = SupplierTerms(
        tuple(names),
        _column(told, "order_cost", 0.0),
        np.array(cycle, dtype=np.float64),
        _column(told, "minimum_value", 0.0),
        _column(told, "truck_qty", math.inf),
    )
    return terms, weekdays


def _offers(
    rows: list[Row], ids: list[str], terms: SupplierTerms, stated: dict[str, Row], spec: InventorySpec
) -> Offers:
    sku_of, supplier_of = {s: k for k, s in enumerate(ids)}, {name: j for j, name in enumerate(terms.names)}
    told = [stated.get(str(row["supplier_id"]), {}) for row in rows]
    cost_O = _column(rows, "unit_cost", math.nan)
    break_O, cheaper_O = _column(told, "break_qty", math.inf), _column(told, "break_share", 0.0)
    tier_O = np.where(np.isfinite(break_O), cost_O * (1.0 - cheaper_O), math.inf)
    return Offers(
        np.array([sku_of[str(row["unique_id"])] for row in rows], dtype=np.int64),
        np.array([supplier_of[str(row["supplier_id"])] for row in rows], dtype=np.int64),
        np.stack([np.zeros(len(rows)), break_O], axis=1),
        np.stack([cost_O, tier_O], axis=1),
        cost_O * _column(told, "added_share", 0.0),
        _column(rows, "order_cost", spec.order_cost),
        _column(rows, "lead_time_days", math.nan),
        _column(told, "lead_time_sd_days", 0.0),
        _column(rows, "moq_qty", spec.moq_qty),
    )


def _need(policies: list[Row], spec: InventorySpec) -> Need:
    days = _column(policies, "lead_time_days", 0.0) + _column(policies, "review_days", 1.0)
    level = _column(policies, "service_level", spec.service_level)
    return Need(
        _column(policies, "demand_mean", 0.0) / days,
        _column(policies, "demand_sd", 0.0) / np.sqrt(days),
        np.maximum(stats.norm.ppf(level), 0.0),
        np.full(len(policies), spec.holding_cost_rate / DAYS_PER_YEAR),
    )


def _column(rows: list[Row], name: str, default: float) -> FloatArray:
    return np.array([default if row.get(name) is None else row[name] for row in rows], dtype=np.float64)
