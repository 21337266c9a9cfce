"""Jobs connect tables and maths: one file per stage, in this order."""

STAGE_NAMES = (
    "ingest",
    "clean",
    "features",
    "train",
    "backtest",
    "calibrate",
    "forecast",
    "replay",
    "inventory",
    "order",
    "publish",
)
