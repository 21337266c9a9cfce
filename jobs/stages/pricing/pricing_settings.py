"""What the stages of pricing are told."""

from __future__ import annotations

from jobs.engine.setting import Setting
from udfs.pricing.pricing_spec import PricingSpec

PRICING: Setting[PricingSpec] = Setting(
    "pricing", PricingSpec, "whether prices are planned, what they must be, and what is to be sold off"
)
