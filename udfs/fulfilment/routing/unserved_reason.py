"""Why a stop stays behind: what no vehicle could do, whatever else is asked of it."""

from __future__ import annotations

from udfs.fulfilment.routing.delivery_problem import DeliveryProblem


def impossible(problem: DeliveryProblem) -> dict[int, str]:
    """The stops that no vehicle could serve if it had nothing else to do, each with the reason of the vehicle that
    comes nearest to it: of no vehicle, load, way, window, shift in this order, the last one reached."""
    reasons = {}
    for stop in range(len(problem.stops)):
        found = [_hindrance(problem, stop, v) for v, kind in enumerate(problem.vehicles) if kind.number]
        if not found:
            reasons[stop] = "no vehicle: none is there on this day"
        elif all(each is not None for each in found):
            reasons[stop] = max(each for each in found if each is not None)[1]
    return reasons


def _hindrance(problem: DeliveryProblem, stop: int, vehicle: int) -> tuple[int, str] | None:
    """How far a vehicle comes, and what stops it there."""
    kind = problem.vehicles[vehicle]
    home, place = int(problem.depot_place_D[kind.depot]), int(problem.place_N[stop])
    for row, (load, capacity) in enumerate(zip(problem.load_NK[stop].tolist(), kind.capacity_K, strict=True)):
        if load > capacity:
            return 0, f"load above the largest vehicle: {load:,} of kind {row}, {kind.vehicle_type} takes {capacity:,}"
    if not (problem.has_way(home, place) and problem.has_way(place, home)):
        return 1, f"unreachable: no way between {problem.depots[kind.depot]} and the stop"
    opens, closes = problem.depot_window_D2[kind.depot].tolist()
    leave = max(opens, kind.shift_s[0], int(problem.release_N[stop]))
    arrive, (early, late) = leave + int(problem.seconds_PP[home, place]), problem.window_N2[stop].tolist()
    if arrive > late:
        return (
            2,
            f"window closed on arrival: the earliest is {_clock(arrive)}, {kind.vehicle_type}, it ends {_clock(late)}",
        )
    back = max(arrive, early) + int(problem.service_N[stop]) + int(problem.seconds_PP[place, home])
    end = min(closes, kind.shift_s[1])
    if max(leave, 0) > end or back > end:
        return 3, f"beyond the shift: {kind.vehicle_type} is back {_clock(back)}, its day ends {_clock(end)}"
    return None


def _clock(seconds: int) -> str:
    """Hours and minutes; `+1 d` after midnight."""
    days, rest = divmod(seconds, 86_400)
    return f"{rest // 3600:02d}:{rest % 3600 // 60:02d}" + (f" +{days} d" if days else "")
