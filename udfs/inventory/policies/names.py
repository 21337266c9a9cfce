"""The policies that have a part of their own in every choice; `policy_registry` knows them all."""

from __future__ import annotations

from typing import Final

BENCHMARK: Final = "z_sigma"
"""Safety stock of z x sigma x sqrt(lead time + review), what most systems do: every choice is compared with it."""

TUNED_BASE_STOCK: Final = "tuned_base_stock"
"""What a learned policy has to beat."""

WITHOUT_MONEY: Final = "base_stock"
"""Orders where neither cost nor price is known."""

WITHOUT_REPLAY: Final = "s_s"
"""Orders where the lead time is too long for a replay."""
