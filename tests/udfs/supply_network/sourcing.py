"""Small and large sourcing problems at random."""

from __future__ import annotations

import numpy as np

from udfs.supply_network.offers import Need, Offers, SupplierTerms


def sourcing_problem(
    rng: np.random.Generator, n_skus: int, n_suppliers: int, order_cost: float = 5.0
) -> tuple[Offers, SupplierTerms, Need]:
    """Every supplier offers every SKU, at prices around the SKU's, half with a break; some are limited."""
    sku, supplier = np.repeat(np.arange(n_skus), n_suppliers), np.tile(np.arange(n_suppliers), n_skus)
    base = np.repeat(rng.lognormal(1.0, 0.8, n_skus), n_suppliers)
    price = base * rng.uniform(0.9, 1.1, sku.size)
    breaks = np.where(rng.random(sku.size) < 0.5, rng.uniform(20.0, 200.0, sku.size), np.inf)
    mean = rng.lognormal(0.0, 1.0, n_skus)
    offers = Offers(
        sku, supplier, np.stack([np.zeros(sku.size), breaks], axis=1),
        np.stack([price, np.where(np.isfinite(breaks), price * 0.95, np.inf)], axis=1),
        base * rng.uniform(0.0, 0.1, sku.size), rng.uniform(0.2, 2.0, sku.size),
        rng.integers(2, 40, sku.size).astype(float), rng.uniform(0.0, 5.0, sku.size),
        rng.integers(1, 10, sku.size).astype(float),
    )  # fmt: skip
    cycle = rng.choice([1.0, 3.5, 7.0, 14.0], n_suppliers)
    share = mean.sum() / n_suppliers * cycle
    truck = np.where(rng.random(n_suppliers) < 0.6, share * rng.uniform(1.05, 2.0, n_suppliers), np.inf)
    least = np.where(rng.random(n_suppliers) < 0.5, share * base.mean() * rng.uniform(0.3, 1.2, n_suppliers), 0.0)
    suppliers = SupplierTerms(
        tuple(f"s{j}" for j in range(n_suppliers)), rng.uniform(0.2, 1.0, n_suppliers) * order_cost, cycle, least,
        np.maximum(truck, 10.0),
    )  # fmt: skip
    need = Need(mean, mean * rng.uniform(0.3, 1.2, n_skus), np.full(n_skus, 1.5), np.full(n_skus, 0.2 / 365.0))
    return offers, suppliers, need
