"""What a schedule is told beside the stages: when, where, and who is to know."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from jobs.deploy.cron import checked_cron
from jobs.engine.setting import Section


class DeploySettings(Section):
    """The schedule that `shelfcast deploy` writes. Nothing here changes a result.

    `cron`, `timezone`: when a run starts; its as-of day is the day before, in that zone. `emails`: who is told of a
    failure. For Databricks: the `runtime`'s version, `node_type` ("" is asked for at deployment, for each cloud has
    names of its own), `workers` beside the driver, and `gpu_node_type` for the stages that a GPU helps ("": none).
    """

    cron: str = "30 4 * * *"
    timezone: str = "UTC"
    emails: tuple[str, ...] = ()
    runtime: str = "17.3.x-cpu-ml-scala2.13"
    node_type: str = ""
    gpu_node_type: str = ""
    workers: int = Field(default=2, ge=1)

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, line: str) -> str:
        return checked_cron(line)

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, IsADirectoryError):
            raise ValueError(f"expected a time zone such as Europe/Berlin, found {name!r}") from None
        return name

    @field_validator("emails")
    @classmethod
    def _are_addresses(cls, emails: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [email for email in emails if not email.partition("@")[2]]:
            raise ValueError(f"expected addresses such as planning@example.com, found {', '.join(wrong)}")
        return emails
