"""What the stages of the supply network are told."""

from __future__ import annotations

from jobs.engine.setting import Section, Setting
from udfs.supply_network.purchase_spec import PurchaseSpec


class NetworkSection(Section):
    """file: a name in conf/networks, or the path of a TOML file; '' is no network."""

    file: str = ""


PURCHASE: Setting[PurchaseSpec] = Setting("purchase", PurchaseSpec, "how suppliers are chosen")
NETWORK: Setting[NetworkSection] = Setting("network_plan", NetworkSection, "depots, suppliers and lanes between them")
