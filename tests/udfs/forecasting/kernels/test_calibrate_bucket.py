from __future__ import annotations

import numpy as np
import pytest

from lakehouse.schema.tables import contract
from tests.udfs.forecasting.series import CUTOFF, long_table
from udfs.forecasting.kernels.calibrate_bucket import calibrate_bucket

TABLE = long_table({"a": np.arange(60.0) % 7})


def test_requests_are_checked() -> None:
    with pytest.raises(ValueError, match="expected at least one cutoff, found none"):
        calibrate_bucket(TABLE, [], 7)
    with pytest.raises(ValueError, match="horizon"):
        calibrate_bucket(TABLE, [CUTOFF], 0)


def test_an_empty_bucket_has_no_errors() -> None:
    summary = calibrate_bucket(TABLE.slice(0, 0), [CUTOFF], 7)
    assert summary.num_rows == 0
    assert summary.schema == contract("forecast.error_summary").empty().schema
