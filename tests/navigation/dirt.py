"""Dirty Locations for tests: `clean` is one without a fault, `read` what becomes of one, `as_ocpi` a public Location as OCPI says it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hub.navigation.dirty import Normalised, Origin, normalised
from hub.navigation.faults import FaultKind
from hub.navigation.location import Connector, Evse, PublicLocation
from hub.navigation.public import KeptText, Reading, read_public
from hub.store.publicplaces import Standing
from ocpi_modules.types import encode_json, format_datetime
from tests.settlement.cases import CPO, changed, location

SAID = datetime(2026, 9, 1, tzinfo=UTC)
HEARD = SAID + timedelta(seconds=2)
ORIGIN = Origin(CPO, SAID, HEARD)
MEMBER = Standing(is_member=True)

Json = dict[str, Any]


def clean(**changes: Any) -> Json:
    """A Location of two EVSEs, open all day, with changes (`evses__0__status`)."""
    return changed(location(opening_times={"twentyfourseven": True}), **changes)


def read(content: Any) -> Normalised:
    """What a Location comes to."""
    return normalised(encode_json(content), ORIGIN)


def shown(content: Any) -> PublicLocation:
    """The same, for one that is published."""
    found = read(content).location
    assert found is not None
    return found


def kinds(content: Any) -> list[FaultKind]:
    """What is wrong with it."""
    return [fault.kind for fault in read(content).faults]


def kept(content: Any, **changes: Any) -> KeptText:
    """A copy of it that is for everybody."""
    usual: Json = {"audience": "", "owner": CPO, "last_updated": SAID, "heard_at": HEARD, "pushed_at": HEARD}
    return KeptText(text=content if isinstance(content, bytes) else encode_json(content), **{**usual, **changes})


def gate(content: Any, standing: Standing = MEMBER, **changes: Any) -> Reading:
    """What the gate makes of it."""
    return read_public(kept(content, **changes), standing)


# --- and back --------------------------------------------------------------------------------


def as_ocpi(public: PublicLocation) -> Json:
    """The same Location as an owner would send it who makes no mistake."""
    said = _fields(public, hide=_OWN)
    return {
        **said,
        "publish": True,
        "coordinates": _point(public.latitude, public.longitude),
        "related_locations": [
            {**_fields(one), **_point(one.latitude, one.longitude)} for one in public.related_locations
        ],
        "evses": [_evse(one) for one in public.evses],
    }


_OWN = frozenset(
    {
        *("number", "static_version", "status_version", "source", "is_reachable", "silent_since", "heard_at"),
        *("latitude", "longitude", "evses", "related_locations"),
    }
)


def _evse(evse: Evse) -> Json:
    said = _fields(evse, hide=frozenset({"said", "happened_at", "heard_at", "coordinates", "connectors"}))
    point = {"coordinates": _point(evse.coordinates.latitude, evse.coordinates.longitude)} if evse.coordinates else {}
    return {
        **said,
        **point,
        "status": evse.said.value,
        "last_updated": format_datetime(evse.happened_at),
        "connectors": [_connector(one) for one in evse.connectors],
    }


def _connector(connector: Connector) -> Json:
    hidden = {"is_power_computed", *(["max_electric_power"] if connector.is_power_computed else [])}
    return _fields(connector, hide=frozenset(hidden))


def _fields(struct: Any, hide: frozenset[str] = frozenset()) -> Json:
    found = {name: getattr(struct, name) for name in struct.__struct_fields__ if name not in hide}
    plain: Json = msgspec.to_builtins(found)
    return {name: value for name, value in plain.items() if value is not None}


def _point(latitude: float, longitude: float) -> Json:
    return {"latitude": f"{latitude:.7f}", "longitude": f"{longitude:.7f}"}
