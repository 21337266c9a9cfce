"""The rows of waves, tasks, walks and picks of a depot's day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from udfs.fulfilment.waves import Waves

WAVE, TASK, TOUR, PICK = "fulfilment.wave", "fulfilment.task", "fulfilment.pick_tour", "fulfilment.pick_line"
Rows = list[dict[str, Any]]


def wave_rows(
    name: str, waves: Waves, departs: Sequence[int], shipments: Sequence[Mapping[str, Any]], slots: Sequence[str]
) -> dict[str, Rows]:
    """By table. name: of the depot's day. departs: second at which each wave's vehicle leaves. slots: their names."""
    same = {"depot_day_id": name}
    ids = [f"{name}:{route + 1}:{trip + 1}" for route, trip in waves.trips]
    walks = [[tour for tour in waves.tours if tour.wave == wave] for wave in range(len(ids))]
    return {
        WAVE: [
            same
            | {
                "wave_id": ids[wave],
                "route_id": f"{name}:{route + 1}",
                "trip": trip + 1,
                "depart_s": departs[wave],
                "ready_s": waves.ready_W[wave],
                "late_s": waves.late_W[wave],
                "line_count": sum(len(tour.picks) for tour in walks[wave]),
                "tour_metres": _sum([tour.metres for tour in walks[wave]]),
                "schedule_method": waves.schedule.method,
                "is_schedule_proven": waves.schedule.is_proven,
            }
            for wave, (route, trip) in enumerate(waves.trips)
        ],
        TASK: [
            same
            | {
                "task_id": f"{name}:{task}",
                "wave_id": ids[waves.wave_J[j]],
                "task_kind": waves.kind_J[j],
                "worker_id": waves.units.unit_id_U[waves.schedule.unit_J[j]],
                "start_s": waves.start_J[j],
                "end_s": waves.end_J[j],
            }
            for j, task in enumerate(waves.names_J)
        ],
        TOUR: [
            same
            | {
                "tour_id": f"{name}:{number + 1}",
                "wave_id": ids[tour.wave],
                "line_count": len(tour.picks),
                "load_litres": tour.litres,
                "tour_metres": tour.metres,
            }
            for number, tour in enumerate(waves.tours)
        ],
        PICK: _pick_rows(name, waves, shipments, slots),
    }


def _pick_rows(name: str, waves: Waves, shipments: Sequence[Mapping[str, Any]], slots: Sequence[str]) -> Rows:
    return [
        {
            "depot_day_id": name,
            "tour_id": f"{name}:{number + 1}",
            "pick_position": position + 1,
            "slot_id": None if pick.slot is None else slots[pick.slot],
            "sku_id": pick.sku_id,
            "shipment_id": shipments[pick.shipment]["shipment_id"],
            "pick_qty": pick.qty,
        }
        for number, tour in enumerate(waves.tours)
        for position, pick in enumerate(tour.picks)
    ]


def _sum(metres: Sequence[float | None]) -> float | None:
    known = [each for each in metres if each is not None]
    return sum(known) if known else None
