from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks import m5_data
from tests.udfs.demand.plausibility_oracle import judged
from udfs.demand.plausibility import Implausible, PlausibilitySpec, implausible, plausibility_table

BARCODE = 4_006_381_333_931.0
DAY_ONE = dt.date(2024, 1, 1)
NAN = float("nan")


def table(series: dict[str, tuple[list, list]]) -> pa.Table:
    """A row a day for each series: (units, prices); None is not known."""
    ids, days, y, price = [], [], [], []
    for name, (units, prices) in series.items():
        ids += [name] * len(units)
        days += [DAY_ONE + dt.timedelta(days=k) for k in range(len(units))]
        y += units
        price += prices
    columns = [ids, pa.array(days, pa.date32()), pa.array(y, pa.float64()), pa.array(price, pa.float64())]
    return pa.table(columns, names=["unique_id", "ds", "y", "unit_price"])


def one(y: object, price: object = 2.0, spec: PlausibilitySpec | None = None) -> Implausible:
    """The verdict on a single series."""
    units = np.asarray(y, np.float64)
    return implausible(units, np.broadcast_to(np.asarray(price, np.float64), units.shape), np.array([len(units)]), spec)


def flagged(y: object, price: object = 2.0, spec: PlausibilitySpec | None = None) -> list[int]:
    return np.flatnonzero(~np.isnan(one(y, price, spec).y_bound)).tolist()


def flagged_prices(price: object, y: object = 10.0) -> list[int]:
    prices = np.asarray(price, np.float64)
    found = one(np.broadcast_to(np.asarray(y, np.float64), prices.shape), prices)
    return np.flatnonzero(~np.isnan(found.price_bound)).tolist()


def sales(kind: str, days: int = 120, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    demand = {
        "level 1": rng.poisson(1.0, days),
        "level 10": rng.poisson(10.0, days),
        "level 100": rng.poisson(100.0, days),
        "intermittent": rng.poisson(1.0, days) * (rng.random(days) < 0.2),
        "lumpy": np.ceil(rng.lognormal(1.0, 0.7, days)) * (rng.random(days) < 0.3),
        "by weight": rng.gamma(4.0, 0.1, days).round(3),
    }[kind]
    y = demand.astype(np.float64)
    y[[0, 5, 9]] = np.maximum(y[[0, 5, 9]], np.median(y[y > 0]))
    return y


KINDS = ("level 1", "level 10", "level 100", "intermittent", "lumpy", "by weight")

VALUES = st.sampled_from(
    [NAN, -4.0, 0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 7.0, 40.0, 41.0, 300.0, 5e3, 99_999.0, BARCODE, np.inf]
)
PRICES = st.sampled_from([NAN, 0.0, 0.005, 0.01, 0.02, 0.1, 1.0, 2.0, 2.0, 2.0, 2.1, 30.0, 200.0, 4e4])
SERIES = st.lists(st.tuples(VALUES, PRICES), min_size=1, max_size=40)


@settings(max_examples=400, deadline=None)
@given(
    series=st.lists(SERIES, min_size=1, max_size=4),
    spec=st.sampled_from(
        [
            PlausibilitySpec(),
            PlausibilitySpec(ratio=2, young_ratio=0, smallest_sales=1, errors=1, days_per_error=5, price_ratio=3),
            PlausibilitySpec(ratio=3, errors=2, days_per_error=4, most_qty=1e3, price_elasticity=0, price_ratio=1),
            PlausibilitySpec(errors=9, give_away_price=0.0),
        ]
    ),
)
def test_equals_a_plain_loop(series: list[list[tuple[float, float]]], spec: PlausibilitySpec) -> None:
    rows = [pair for each in series for pair in each]
    y, price = (np.array(x) for x in zip(*rows, strict=True))
    found = implausible(y, price, np.array([len(each) for each in series]), spec)
    start = 0
    for each in series:
        part = slice(start, start + len(each))
        expected = judged(pd.DataFrame({"y": y[part], "price": price[part]}), spec)
        for name in Implausible._fields:
            np.testing.assert_allclose(getattr(found, name)[part], expected[name], rtol=1e-12, err_msg=name)
        start += len(each)


def test_a_series_without_a_sale_takes_nothing_from_its_neighbours() -> None:
    y, price = np.array([NAN, 9.0, 0.0, -1.0, NAN]), np.array([0.005, 0.1, 0.005, 0.005, 0.005])
    found = implausible(y, price, np.array([1, 1, 2, 1]))
    assert not found.is_give_away.any()
    assert np.isnan(found.price_bound).all()


@pytest.mark.parametrize("kind", KINDS)
def test_plain_demand_is_believed(kind: str) -> None:
    for seed in range(20):
        assert flagged(sales(kind, seed=seed)) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("back", [0, 3, 40])
@pytest.mark.parametrize("error", ["x1000", "99,999", "barcode", "upc"])
def test_an_error_is_found_wherever_it_is(kind: str, back: int, error: str) -> None:
    y = sales(kind)
    at = len(y) - 1 - back
    truth = max(y[at], 1.0)
    y[at] = {"x1000": 1000 * truth, "99,999": 99_999, "barcode": BARCODE, "upc": 36_000_291_452}[error]
    assert flagged(y) == [at]
    assert one(y).y_usual[at] == np.sort(y[(y > 0) & (y < y[at])])[(np.sum(y > 0) - 2) // 2]


@pytest.mark.parametrize("kind", ["level 1", "level 10", "level 100", "intermittent"])
def test_a_hundredfold_usual_day_is_found(kind: str) -> None:
    y = sales(kind)
    usual = np.median(y[y > 0])
    for at in (0, 60, 119):
        wrong = y.copy()
        wrong[at] = 100 * usual
        assert flagged(wrong) == [at]


@pytest.mark.parametrize("at", [[3], [3, 90], [3, 50, 90], [117, 118, 119], [4, 5], [0, 119]])
@pytest.mark.parametrize("wrong", [[1e3], [99_999.0, 1e5, 1e6], [BARCODE], [1e3, BARCODE, 1e5]])
def test_errors_do_not_hide_each_other(at: list[int], wrong: list[float]) -> None:
    y = sales("level 10")
    y[at] = np.resize(wrong, len(at))
    assert flagged(y) == at


def test_barcodes_are_found_however_many() -> None:
    y = sales("level 10")
    y[10:40] = BARCODE + np.arange(30)
    assert flagged(y) == list(range(10, 40))
    assert flagged([BARCODE]) == flagged([BARCODE, BARCODE])[:1] == [0]


def test_a_longer_history_can_hold_more_errors() -> None:
    y = sales("level 10", days=1000)
    at = [50, 200, 350, 500, 650, 800, 950]
    y[at] = 5000.0
    assert flagged(y) == at
    assert flagged(y[:700]) == at[:5]
    y = sales("level 10", days=90)
    y[[5, 20, 40]] = 5000.0
    assert flagged(y) == [5, 20, 40]
    y[60] = 5000.0  # one more than three of 90 days can be wrong, so it is what this article sells at times
    assert flagged(y) == []


@pytest.mark.parametrize("multiple", [10, 30, 100, 1000])
@pytest.mark.parametrize("days", [120, 800])
def test_a_level_that_lasts_is_believed_from_its_fourth_day(multiple: int, days: int) -> None:
    y = sales("level 10", days)
    for lasted in range(1, 12):
        changed = y.copy()
        changed[-lasted:] *= multiple
        found = flagged(changed)
        assert found == [] or lasted < 4, (lasted, found)
        assert multiple < 100 or lasted >= 4 or found == list(range(days - lasted, days))


def test_a_week_that_was_a_hundredfold_is_believed_though_it_is_over() -> None:
    y = sales("level 10", 800)
    y[700:707] *= 100
    assert flagged(y) == []
    assert flagged(y, spec=PlausibilitySpec(errors=7)) == list(range(700, 707))


def test_a_season_and_a_first_day_are_believed() -> None:
    y = sales("level 1", 400)
    y[330:345] = 60.0
    assert flagged(y) == []
    y = sales("level 10")
    y[0] = 80.0
    assert flagged(y) == []


def test_a_rare_large_order_is_believed_beside_articles_sold_one_by_one() -> None:
    y = np.zeros(300)
    y[::10] = 1.0
    y[150] = 12.0
    assert flagged(y) == []
    y[150] = 100.0
    assert flagged(y) == [150]


@pytest.mark.parametrize(
    ("price", "is_believed"), [(0.2, True), (1.0, True), (1.9, False), (2.0, False), (4.0, False), (NAN, False)]
)
def test_a_bulk_order_shows_in_its_price(price: float, is_believed: bool) -> None:
    y, prices = sales("level 10"), np.full(120, 2.0)
    y[60], prices[60] = 400.0, price
    assert flagged(y, prices) == ([] if is_believed else [60])


@pytest.mark.parametrize(
    ("multiple", "days"), [(15, 120), *((m, days) for m in (100, 1000, 9999) for days in (3, 30, 120))]
)
def test_a_price_that_fell_because_the_units_are_wrong_excuses_nothing(multiple: int, days: int) -> None:
    y, prices = np.resize(sales("level 10"), days), np.full(days, 2.0)
    at = days // 2
    for truth in (y[at], 1.3 * y.max()):  # a good day is no bulk order
        y[at], prices[at] = truth * multiple, 2.0 / multiple
        assert flagged(y, prices) == [at]


def test_a_give_away_excuses_no_units() -> None:
    y, prices = sales("level 10"), np.full(120, 2.0)
    y[60] = 5000.0
    for price in (0.0, 0.01, 0.05):
        prices[60] = price
        assert flagged(y, prices) == [60]


@pytest.mark.parametrize("days", [3, 10, 120])
@pytest.mark.parametrize("multiple", [0.001, 0.01, 100.0, 1000.0])
def test_a_misplaced_decimal_of_a_price_is_found(days: int, multiple: float) -> None:
    price = np.full(days, 399.0)
    price[-1] *= multiple
    assert flagged_prices(price) == [days - 1]
    assert flagged_prices(price[::-1]) == [0]
    assert flagged_prices(np.where(price == 399.0, 399.0 + np.arange(days), price)) == [days - 1]


def test_of_two_prices_none_is_wrong() -> None:
    assert flagged_prices([399.0, 3.99]) == []


def test_prices_up_and_down_in_one_series_are_found() -> None:
    price = np.full(60, 5.0)
    price[[10, 20]], price[[30, 40, 50]] = 500.0, 0.05
    assert flagged_prices(price) == [10, 20, 30, 40, 50]


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1 / 30, 0.5, 2.0, 30.0, 1e3, 1e6])
@pytest.mark.parametrize("days", [60, 900])
def test_a_price_regime_is_believed_from_its_fourth_sale(factor: float, days: int) -> None:
    for lasted in range(1, 10):
        price = np.full(days, 5e6)
        price[-lasted:] *= factor
        is_absurd = not 1 / 20 <= factor <= 20
        assert flagged_prices(price) == (list(range(days - lasted, days)) if is_absurd and lasted < 4 else [])


def test_promotions_and_clearances_are_usual_prices() -> None:
    price = np.full(120, 10.0)
    price[30:37], price[60], price[100:] = 5.0, 1.0, 2.0
    assert flagged_prices(price) == []


def test_a_price_that_was_carried_over_days_without_a_sale_is_judged_as_on_its_day() -> None:
    y, price = np.zeros(200), np.full(200, 5.0)
    y[::20] = 3.0
    price[100:120] = 500.0  # one sale, and what was carried until the next
    assert flagged_prices(price, y) == list(range(100, 120))
    price[:] = 5.0
    price[100:] = 500.0  # from here on all five sales: the price has changed
    assert flagged_prices(price, y) == []


def test_a_changed_price_is_believed_on_days_without_a_sale_too() -> None:
    y, price = np.tile([3.0, 0.0], 500), np.full(1000, 5.0)
    price[-9:] = 500.0  # four or five sale days of 500: fewer than are set aside, but together
    assert flagged_prices(price, y) == []
    assert flagged_prices(price[:-4], y[:-4]) == list(range(991, 996))


@pytest.mark.parametrize(("price", "is_one"), [(0.0, True), (-1.0, True), (0.001, True), (0.01, True), (0.02, False)])
def test_give_aways_are_no_price(price: float, is_one: bool) -> None:
    prices = np.full(30, 5.0)
    prices[[7, 29]] = price
    found = one(np.full(30, 4.0), prices)
    assert np.flatnonzero(found.is_give_away).tolist() == ([7, 29] if is_one else [])
    assert np.isnan(found.price_bound).tolist() == [is_one or k not in (7, 29) for k in range(30)]


def test_an_article_of_a_cent_is_not_given_away() -> None:
    prices = np.full(30, 0.01)
    prices[4] = 0.0
    assert np.flatnonzero(one(np.full(30, 4.0), prices).is_give_away).tolist() == [4]
    assert np.flatnonzero(one(np.full(30, 4.0), np.where(prices > 0, 0.015, 0.01)).is_give_away).tolist() == []


def test_give_aways_do_not_make_an_error_usual() -> None:
    prices = np.full(40, 50.0)
    prices[::2] = 0.0
    prices[1:11:2] = 0.01
    prices[39] = 0.4
    assert flagged_prices(prices) == [39]


def test_few_days_need_more_to_be_disbelieved() -> None:
    assert flagged([10.0, 12.0, 99_999.0]) == [2]
    assert flagged([1.0, 1.0, 100.0]) == [2]
    assert flagged([1.0, 100.0]) == [1]
    assert flagged([1.0, 40.0]) == []
    assert flagged([1.0, 1.0, 40.0]) == []
    assert flagged([99_999.0]) == []  # nothing to compare with
    assert flagged([0.0] * 50 + [99_999.0]) == []


@pytest.mark.parametrize(
    "y", [[], [NAN] * 5, [0.0] * 5, [7.0], [NAN], [0.0], [7.0] * 50, [-3.0] * 9, [NAN, 0.0, 7.0, NAN, -1.0]]
)
@pytest.mark.parametrize("price", [NAN, 2.0])
def test_nothing_to_say(y: list[float], price: float) -> None:
    found = implausible(np.array(y, float), np.full(len(y), price), np.array([len(y)] if y else [], int))
    assert all(np.isnan(x).all() for x in (found.y_bound, found.y_usual, found.price_bound))
    assert not found.is_give_away.any()
    assert [len(x) for x in found] == [len(y)] * 4


def test_too_little_is_no_error() -> None:
    y = sales("level 100")
    y[[5, 50]] = 1.0, -5000.0
    assert flagged(y) == []


def test_a_table_keeps_its_rows_and_says_what_was_broken() -> None:
    y = sales("level 10", 30)
    y[20] = 99_999.0
    units, price = [None if k == 3 else v for k, v in enumerate(y.tolist())], [2.0] * 29 + [0.0]
    given = table({"a": (units, price), "b": ([5.0] * 9, [None] * 8 + [200.0]), "c": ([None], [None])})
    given = given.append_column("is_promo", pa.array([False] * 40))
    out = plausibility_table(given)
    assert out.select(given.column_names).equals(given)
    row = out.slice(20, 1).to_pylist()[0]
    assert row["is_y_implausible"]
    assert row["y_bound"] < 500
    assert 8 <= row["y_usual"] <= 12
    assert out["is_y_implausible"].to_pylist().count(True) == 30 - out["y_bound"].null_count + 10 == 1
    assert out["y_usual"].null_count == 39
    assert out["is_give_away"].to_pylist().index(True) == 29
    assert not any(out["is_price_implausible"].to_pylist())  # b has no other price to judge by
    assert plausibility_table(given.slice(0, 0)).num_rows == 0


def test_a_row_does_not_depend_on_the_rest_of_its_bucket() -> None:
    series = {}
    for number, kind in enumerate(KINDS):
        y = sales(kind, 30 + 40 * number, number)
        y[7 * number + 3] = 5e5
        series[f"s{number}"] = (y.tolist(), [2.0 + number] * len(y))
    whole = plausibility_table(table(series))
    assert whole["is_y_implausible"].to_pylist().count(True) == len(KINDS)
    parts = pa.concat_tables([plausibility_table(table({name: each})) for name, each in series.items()])
    assert parts.combine_chunks().equals(whole.combine_chunks())
    chunked = pa.concat_tables([table(series).slice(0, 70), table(series).slice(70)])
    assert plausibility_table(chunked).combine_chunks().equals(whole.combine_chunks())
    encoded = chunked.set_column(0, "unique_id", chunked["unique_id"].dictionary_encode())
    assert plausibility_table(encoded)["y_bound"].to_pylist() == whole["y_bound"].to_pylist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratio": 0.5}, "ratio of at least 1, found 0.5"),
        ({"young_ratio": -1.0}, "young_ratio of at least 0"),
        ({"smallest_sales": 0.0}, "smallest_sales of at least 1"),
        ({"errors": 0}, "errors of at least 1"),
        ({"days_per_error": 0}, "days_per_error of at least 1"),
        ({"most_qty": NAN}, "most_qty of at least 0"),
        ({"price_elasticity": -1.0}, "price_elasticity of at least 0"),
        ({"price_ratio": 0.0}, "price_ratio of at least 1"),
        ({"give_away_price": np.inf}, "give_away_price of at least 0"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PlausibilitySpec(), **change)


def test_inputs_that_do_not_fit_are_refused() -> None:
    good = table({"a": ([1.0, 2.0], [1.0, 1.0]), "b": ([3.0], [1.0])})
    with pytest.raises(ValueError, match=r"found none called \['unit_price'\]"):
        plausibility_table(good.drop_columns(["unit_price"]))
    for bad in (good.take([1, 0, 2]), good.take([0, 0, 2]), good.take([0, 2, 1])):
        with pytest.raises(ValueError, match="sort"):
            plausibility_table(bad)
    for name in ("unique_id", "ds"):
        column = pa.array([None, *good[name].to_pylist()[1:]], good[name].type)
        with pytest.raises(ValueError, match="found NULLs"):
            plausibility_table(good.set_column(good.column_names.index(name), name, column))
    for length_S in ([2], [3, 0], [4, -1]):
        with pytest.raises(ValueError, match="as many rows as the series have"):
            implausible(np.ones(3), np.ones(3), np.array(length_S))


@pytest.mark.real_data
def test_real_sales_are_left_alone_and_planted_errors_are_found() -> None:
    batch = m5_data.load(1500)
    y_ST = np.where(batch.mask_ST.numpy(), batch.y_ST.numpy(), np.nan)
    unknown_ST = np.full_like(y_ST, np.nan)

    def bad(y: np.ndarray) -> np.ndarray:
        length_S = np.full(len(y), y.shape[1])
        return ~np.isnan(implausible(y.ravel(), unknown_ST[: len(y)].ravel(), length_S).y_bound).reshape(y.shape)

    assert bad(y_ST).sum() <= 0.0005 * np.isfinite(y_ST).sum() / 10
    for back in (0, 3, 40):
        wrong_ST = y_ST[y_ST[:, -1 - back] > 0]
        truth_S = wrong_ST[:, -1 - back].copy()
        for wrong_S, least in ((100 * truth_S, 0.96), (1000 * truth_S, 0.995), (99_999.0, 0.995), (BARCODE, 1.0)):
            wrong_ST[:, -1 - back] = wrong_S
            assert bad(wrong_ST)[:, -1 - back].mean() >= least
