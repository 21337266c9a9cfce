"""An entity's id in Spark: made of its parts, taken apart again, and hashed into buckets."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from lakehouse.errors import ContractError
from lakehouse.schema.entities import SEPARATOR, Entity


def key_of(entity: Entity, unknown: Mapping[str, str] | None = None) -> Column:
    """The id, from columns named as the entity's parts; `unknown` stands in for a NULL part.

    NULL where another part is: without it ids of different things could be equal. Parts that hold the separator are
    for the feed's quality rules to refuse.
    """
    default = unknown or {}
    parts = []
    for name in entity.parts or (entity.id,):
        part = F.col(name).cast("string")
        parts += [F.lit(SEPARATOR), F.coalesce(part, F.lit(default[name])) if name in default else part]
    return F.concat(*parts[1:])


def parts_of(entity: Entity) -> list[Column]:
    """The parts of the id, named as the entity has them."""
    mark = F.lit(SEPARATOR)
    return [F.split_part(entity.id, mark, F.lit(at)).alias(name) for at, name in enumerate(entity.parts, start=1)]


def bucket_of(entity: Entity, buckets: int) -> Column:
    """The bucket of the id, as `Entity.bucket_of` has it: any engine can compute it from the id alone."""
    if entity.listed:
        raise ContractError(f"units of {entity.name} are listed one by one, not hashed into buckets")
    return F.expr(f"cast(crc32(cast({entity.id} AS BINARY)) % {int(buckets)} AS INT)")
