"""Customer value: what a customer's baskets were worth, and on how many days there was one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.engine.stage import Read, UnitStage
from jobs.engine.task import KernelResult
from lakehouse.schema.entities import CUSTOMER
from tests.jobs.toys import toy_tables

if TYPE_CHECKING:
    from jobs.context import RunContext

toy_tables.declare()
BASKET, VALUE = "toy.basket", "toy.customer_value"


def kernel(inputs: dict[str, pa.Table], _parameters: None) -> KernelResult:
    """One bucket of baskets to values; a customer with a basket of unknown worth fails, and costs no other."""
    # In order of the days, so that the sum of doubles is the same wherever it is made.
    baskets = inputs[BASKET].sort_by([("customer_id", "ascending"), ("ds", "ascending")])
    grouped = baskets.group_by("customer_id", use_threads=False)
    summed = grouped.aggregate([("ds", "count_distinct"), ("basket_value", "sum"), ("basket_value", "count")])
    is_known = pc.equal(summed["ds_count_distinct"], summed["basket_value_count"])
    good, bad = summed.filter(is_known), summed.filter(pc.invert(is_known))
    values = pa.table(
        {
            "customer_id": good["customer_id"],
            "days": good["ds_count_distinct"].cast(pa.int32()),
            "basket_value": good["basket_value_sum"],
        }
    )
    failed = bad.select(["customer_id"])
    for name, text in (("error_class", "UnknownWorth"), ("error", "a basket has no worth"), ("fallback", "none")):
        failed = failed.append_column(name, pa.array([text] * bad.num_rows, pa.string()))
    return KernelResult({VALUE: values}, failures=failed, ids=summed.num_rows)


def parameters(_context: RunContext, _sums: Mapping[str, Any]) -> None:
    """None are needed."""


STAGE = UnitStage(
    name="customer_value",
    unit=CUSTOMER,
    reads=(Read(BASKET, ("customer_id", "ds", "basket_value")),),
    writes=(VALUE,),
    kernel=kernel,
    parameters=parameters,
    promise=(BASKET, VALUE),
)
