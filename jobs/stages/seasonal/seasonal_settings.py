"""What the stages of seasons are told."""

from __future__ import annotations

from jobs.engine.setting import Setting
from udfs.seasonal.season_spec import SeasonSpec

SEASON: Setting[SeasonSpec] = Setting("season", SeasonSpec, "how launches and seasons are forecast and bought")
