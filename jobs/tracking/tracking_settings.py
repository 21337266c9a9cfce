"""What of a run is told to which tool."""

from __future__ import annotations

from jobs.engine.setting import Section, Setting


class TrackingSettings(Section):
    """Both need the extra `tracking`; None is off and costs nothing.

    `mlflow`: where MLflow keeps its runs, such as sqlite:///lake/mlflow.db or a server's address; `experiment`: the
    name there. `lineage`: a file to which OpenLineage events are added, a line each; `namespace`: that of the jobs.
    """

    mlflow: str | None = None
    experiment: str = "shelfcast"
    lineage: str | None = None
    namespace: str = "shelfcast"


TRACKING = Setting("tracking", TrackingSettings, "what MLflow and OpenLineage are told", changes_results=False)
