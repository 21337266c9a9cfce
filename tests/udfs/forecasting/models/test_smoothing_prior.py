from __future__ import annotations

import numpy as np
import pytest

from tests.udfs.forecasting.series import batch_of
from udfs.forecasting.models.croston.croston_model import Croston
from udfs.forecasting.models.ets.ets_model import ExponentialSmoothing
from udfs.forecasting.models.smoothing_prior import SmoothingPrior

NONE = SmoothingPrior(0.2, factor=1e9)


def test_the_price_is_the_log_normal_posterior() -> None:
    prior, values, n = SmoothingPrior(0.2, factor=3.0), (0.02, 0.2, 0.6), 30
    sse_X = np.array([8.0, 9.0, 7.0])
    z_X = np.log(np.array(values) / 0.2) / np.log(3.0)
    priced_X = n * np.log(sse_X * prior.price(values, 50)[n])
    np.testing.assert_allclose(priced_X, n * np.log(sse_X) + z_X**2, rtol=1e-12)
    assert prior.price(values, 5).shape == (6, 3)
    assert (prior.price(values, 5)[:, 1] == 1.0).all()


def _parts(n_months: int, n_series: int = 600) -> dict[str, np.ndarray]:
    """Demand of one or two units that comes and goes slowly: a level that random months hardly show."""
    rng = np.random.default_rng(3)
    level_ST = np.exp(np.cumsum(rng.normal(0, 0.1, (n_series, n_months + 12)), axis=1) - 0.5)
    y_ST = rng.poisson(np.clip(level_ST, 0, 8)).astype(float)
    y_ST[:, 0] = 1.0
    return {f"s{s:03d}": y_T for s, y_T in enumerate(y_ST)}


@pytest.mark.parametrize(
    ("alone", "informed"),
    [
        (ExponentialSmoothing(season_length=1, prior=NONE), ExponentialSmoothing(season_length=1)),
        (Croston("tsb", size_prior=NONE, probability_prior=NONE), Croston("tsb")),
    ],
)
def test_it_helps_short_series_and_leaves_long_ones_alone(alone: object, informed: object) -> None:
    error = {}
    for n_months in (30, 600):
        batch = batch_of(_parts(n_months))
        history, ahead = batch.until(12), batch.ahead(12, 12)[0]
        made = [m.forecast(history, 12, (0.5,)).mean_SH for m in (alone, informed)]  # type: ignore[attr-defined]
        error[n_months] = [float(((mean_SH - ahead) ** 2).mean()) for mean_SH in made]
    assert error[30][1] < 0.995 * error[30][0]
    assert error[600][1] == pytest.approx(error[600][0], rel=0.002)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match=r"typical parameter within \(0, 1\], found 0"):
        SmoothingPrior(0.0)
    with pytest.raises(ValueError, match="factor above 1, found 1"):
        SmoothingPrior(0.2, 1.0)
