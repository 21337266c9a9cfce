"""What ran, what was rejected, what failed."""

from __future__ import annotations

from lakehouse.schema.contract import Contract

CONTRACTS: tuple[Contract, ...] = (
    Contract(
        "ops.ingest_file",
        "Files taken in, by content and mapping: a file is ingested once, a changed file replaces what it was",
        ("source", "feed", "source_file", "batch_id", "config_hash", "file_bytes", "rows", "ingested_at"),
        ("feed", "source_file"),
        mode="merge",
    ),
    Contract(
        "ops.row_count",
        "Where the rows of each feed went: used, quarantined by rule, duplicate or out of scope; the sum is bronze",
        ("feed", "outcome", "rule_id", "rows"),
        ("feed", "outcome", "rule_id"),
        ("feed",),
    ),
    Contract(
        "ops.quarantine",
        "Source rows that a quality rule rejected, with the rule, the file and the row",
        ("feed", "rule_id", "reason", "source_file", "source_row", "source_column", "payload", "batch_id"),
        ("feed", "rule_id", "source_file", "source_row"),
        ("feed",),
    ),
    Contract(
        "ops.run",
        "Runs and their stages: what ran, on which inputs, how long, how it ended",
        (
            "run_id",
            "stage",
            "source",
            "as_of",
            "config_hash",
            "fingerprint",
            "input_versions",
            "status",
            "series",
            "rows",
            "failed_series",
            "seconds",
            "peak_memory_mb",
            "started_at",
            "finished_at",
            "error",
            "host",
        ),
        ("run_id", "stage"),
        mode="merge",
    ),
    Contract(
        "ops.run_unit",
        "Units of work: run x stage x bucket, what is done and what is not",
        (
            "run_id",
            "stage",
            "bucket",
            "fingerprint",
            "status",
            "attempts",
            "series",
            "rows",
            "failed_series",
            "seconds",
            "finished_at",
            "error_class",
            "error",
        ),
        ("run_id", "stage", "bucket"),
        mode="merge",
    ),
    Contract(
        "ops.failure",
        "Series that failed, the error and the fallback that was used",
        ("run_id", "stage", "bucket", "unique_id", "cutoff", "error_class", "error", "fallback"),
        ("run_id", "stage", "bucket", "unique_id"),
        ("run_id", "stage", "bucket"),
    ),
)
