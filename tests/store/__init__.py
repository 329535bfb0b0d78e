"""The small world of the store tests: a push from its object."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hub.store.changes import Change
from ocpi_modules.catalog import MODULES
from ocpi_modules.module import Purpose
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_json

Object = dict[str, Any]

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CP1, CP2 = Party("DE", "CP1"), Party("BE", "CP2")
MS1, MS2 = Party("NL", "MS1"), Party("BE", "MS2")


def push(
    module_id: str,
    content: Object | None,
    *,
    owner: Party | None = None,
    purpose: Purpose = Purpose.REPLACE,
    ids: tuple[str, ...] = (),
    **fields: Any,
) -> Change:
    """The push of an object (or of the part of it under `ids`), owned by the party in it, with the text that says so; None for a DELETE."""
    module = MODULES[module_id]
    text = b"" if content is None else encode_json(content)
    decoded: Any = None if content is None else decode_json(text)
    return Change(
        module=module,
        purpose=purpose,
        owner=owner or Party.of(decoded["country_code"], decoded["party_id"]),
        ids=ids or (decoded[module.key],),
        variant=module.variant_of({}, decoded),
        content=decoded,
        text=text,
        at=fields.pop("at", NOW),
        **fields,
    )


def owned_by(party: Party, **changes: Any) -> Object:
    """The fields by which an object names its owner, for `example("location", **owned_by(CP1, id="L1"))`."""
    return {"country_code": party.country_code, "party_id": party.party_id, **changes}
