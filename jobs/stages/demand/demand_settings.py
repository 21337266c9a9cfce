"""What the stages of demand are told."""

from __future__ import annotations

from jobs.engine.setting import Setting
from lakehouse.transforms.silver.festival_rule import FestivalRule

FESTIVALS: Setting[dict[str, FestivalRule]] = Setting(
    "festivals", dict[str, FestivalRule], "days that move demand, beside public holidays: by name, when and how far"
)
