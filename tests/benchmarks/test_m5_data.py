from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from tests.benchmarks import m5_data


@pytest.mark.real_data
def test_the_calendar_tells_the_days_around_a_holiday() -> None:
    plain = m5_data.load(8)
    batch = m5_data.with_calendar(plain)
    assert plain.known is not None
    assert batch.known is not None
    assert batch.known.names == (*m5_data.KNOWN, *m5_data.CALENDAR)
    values_SXK = batch.known.values_SXK.numpy()
    np.testing.assert_array_equal(values_SXK[:, :, : len(m5_data.KNOWN)], plain.known.values_SXK.numpy())
    before_SX, kind_SX, since_SX, until_SX = np.moveaxis(values_SXK[:, :, len(m5_data.KNOWN) :], 2, 0)
    snap_SX = values_SXK[:, :, m5_data.KNOWN.index("is_snap")]
    np.testing.assert_array_equal(before_SX[:, 1:], snap_SX[:, :-1])
    # Around Martin Luther King's day of 2016.
    holiday = batch.n_days - 1 - (batch.cutoff - dt.date(2016, 1, 18)).days
    around = [holiday + gap for gap in (-9, -3, 0, 4, 9)]
    np.testing.assert_array_equal(kind_SX[:, around], np.tile([0.0, 0.0, 1.0, 0.0, 0.0], (8, 1)))
    np.testing.assert_array_equal(until_SX[:, around], np.tile([8.0, 3.0, 0.0, 8.0, 8.0], (8, 1)))
    np.testing.assert_array_equal(since_SX[:, around], np.tile([8.0, 8.0, 0.0, 4.0, 8.0], (8, 1)))
    assert (values_SXK[:, batch.n_days :, len(m5_data.KNOWN) :] >= 0).all()
