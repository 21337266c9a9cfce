"""How Spark adds up: a sum must not depend on the order of its terms, or a content hash would."""

from __future__ import annotations

EXACT = "decimal(30,9)"
"""The type that units and money are added up in."""
