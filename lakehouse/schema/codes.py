"""The few values that a column of codes may have, and the words that separate several."""

from __future__ import annotations

DEMAND_CLASSES = ("smooth", "erratic", "intermittent", "lumpy", "no_sales", "new")
"""Syntetos-Boylan classes, a series without a sale, and one too young to tell; kernels number them in this order."""

POLICY_DECIDERS = ("money", "no price or cost", "unit cost of 0", "lead time", "no replays")
"""What chose a series' policy: its cost in replays, or what left money nothing to decide by."""

ORDER_REASONS = (
    "reorder",
    "full packs",
    "minimum order",
    "shelf life",
    "cover",
    "room",
    "largest order",
    "budget",
    "capacity",
    "budget and capacity",
    "depot",
    "planner",
    "enough stock",
    "no review day",
    "no demand",
    "spoils unsold",
)
"""What decided an order's quantity: its level, what raised or bounded it, or why there is none."""

ORDER_RULES = ("no price", "beyond shelf life", "much cover", "no profit", "unusual value")
"""Rules that find order lines to be looked at before they are signed."""

DECISIONS = ("order", "confirm", "withdraw", "forecast", "price")
"""What a planner may decide about a series."""

IDENTIFICATIONS = ("own", "shared", "category", "all")
"""Whose weeks the effect of a price rests on."""

PRICE_KINDS = ("regular", "sell off")
PRICE_STATUS = ("proposed", "accepted")

BETWEEN_DOUBTS = "; "
"""Between two doubts in a column `doubts`."""

OTHER_CANDIDATES = "other candidates"
"""A `fallback`: one candidate failed, others of the same stage did not, so that the id is not lost."""
