"""What festivals and days of the month do to the steps that hold them, so that a season can be read without them.

Christmas is on a Saturday in one year and on a Sunday in the next: its last week of shopping then holds a day less, and
Easter moves by weeks. A step's effect is that of its days, each known by its distance from the festival; so it is
learned where the festival was and put where it will be, in parts of weeks.

Dimensions: X steps, those ahead included, T steps with demand, G groups, K covariates, F festivals.
"""

from __future__ import annotations

import numpy as np


def calendar_kernel(since_XF: np.ndarray, linear_XK: np.ndarray, step_days: int) -> np.ndarray:
    """(X, X) covariance of steps' effects.

    Args:
        since_XF: days from each festival's first day to the step's last one; NaN where it is not near. Two steps go
            together by the days at the same distances, of `step_days` each.
        linear_XK: covariates that act in proportion.
    """
    kernel_XX = linear_XK @ linear_XK.T
    for since_X in since_XF.T:
        shared_XX = 1.0 - np.abs(since_X[:, None] - since_X) / step_days
        kernel_XX += np.where(shared_XX > 0, shared_XX, 0.0)  # NaN is not above 0
    return kernel_XX


def log_effects(total_GT: np.ndarray, kernel_XX: np.ndarray, smoothness: float, ridge: float) -> np.ndarray:
    """(G, X) log effects on the steps of each group: those on a usual group, and how the group differs.

    Args:
        total_GT: demand of each group; one without demand on some step is taken to be usual.
        kernel_XX: see `calendar_kernel`; the first T steps are those of `total_GT`.
        smoothness: penalty on second differences (Whittaker) of what is no effect of days but the season's course.
        ridge: variance of what neither explains, in units of the kernel.
    """
    n = total_GT.shape[1]
    tells_G = np.asarray((total_GT > 0).all(1))
    if not tells_G.any() or n < 3 or not kernel_XX.any():
        return np.zeros((len(total_GT), len(kernel_XX)))
    bend_TT = np.diff(np.eye(n), 2, axis=0)
    rough_TT = np.eye(n) - np.linalg.inv(np.eye(n) + smoothness * bend_TT.T @ bend_TT)
    seen_XT = kernel_XX[:, :n] @ rough_TT
    gram_TT = rough_TT @ seen_XT[:n]
    fit_TT = np.linalg.inv(gram_TT + ridge * np.eye(n))
    rest_GT = np.log(np.where(tells_G[:, None], total_GT, 1.0)) @ rough_TT
    usual_T = fit_TT @ np.median(rest_GT[tells_G], axis=0)
    own_GT = np.where(tells_G[:, None], rest_GT - gram_TT @ usual_T, 0.0) @ fit_TT
    effect_GX: np.ndarray = (usual_T + own_GT) @ seen_XT.T
    return effect_GX
