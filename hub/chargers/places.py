"""Sites as the hub knows them: what the operator provisioned, and which plug of which station is which connector. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from hub.chargers.events import Spot

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """A connector in the world: at which station, and which numbers OCPP has for it. `evse` counts under OCPP 2.x only."""

    station: str
    evse: int
    connector: int
    evse_uid: str
    connector_id: str

    def is_at(self, spot: Spot) -> bool:
        """Whether a station means this plug by a spot; an EVSE of OCPP 2.x stands for its first connector."""
        if spot.evse == 0:
            return self.connector == spot.connector
        return self.evse == spot.evse and spot.connector in {0, self.connector}


@dataclass(frozen=True, kw_only=True)
class Site:
    """A Location of the local CPO.

    `location` is its OCPI Location without what changes by itself (the status of EVSEs, `last_updated`); `limits` the tree of limits as
    provisioned (JSON), None where nothing is managed. `removed`: EVSEs that it had once; partners are told that they are REMOVED (L-15).
    """

    id: str
    location: Object
    plugs: tuple[Plug, ...]
    limits: Object | None = None
    removed: tuple[Object, ...] = ()

    @cached_property
    def evses(self) -> Mapping[str, Object]:
        """The EVSEs by uid."""
        return {evse["uid"]: evse for evse in self.location.get("evses", ())}

    def connector(self, evse_uid: str, connector_id: str) -> Object | None:
        """A connector of an EVSE."""
        evse = self.evses.get(evse_uid)
        return next((one for one in evse["connectors"] if one["id"] == connector_id), None) if evse else None

    def plugs_of(self, evse_uid: str) -> tuple[Plug, ...]:
        """The plugs of an EVSE, in the order of its connectors."""
        return tuple(plug for plug in self.plugs if plug.evse_uid == evse_uid)


@dataclass(frozen=True, slots=True)
class Place:
    """A connector that a station means."""

    site: Site
    plug: Plug

    @property
    def evse(self) -> Object:
        """Its EVSE, as in the Location."""
        return self.site.evses[self.plug.evse_uid]

    @property
    def connector(self) -> Object:
        """Itself, as in the Location."""
        found = self.site.connector(self.plug.evse_uid, self.plug.connector_id)
        assert found is not None, "a site has a connector for each of its plugs"
        return found


@dataclass(frozen=True)
class SiteBook:
    """All sites and tariffs as one frozen picture."""

    sites: Mapping[str, Site] = field(default_factory=dict)
    tariffs: Mapping[str, Object] = field(default_factory=dict)

    @cached_property
    def _by_station(self) -> Mapping[str, tuple[Place, ...]]:
        found: dict[str, tuple[Place, ...]] = {}
        for site in self.sites.values():
            for plug in site.plugs:
                found[plug.station] = (*found.get(plug.station, ()), Place(site, plug))
        return found

    def at(self, station: str) -> tuple[Place, ...]:
        """The plugs of a station."""
        return self._by_station.get(station, ())

    def place(self, station: str, spot: Spot) -> Place | None:
        """The plug that a station means by a spot; None where nobody provisioned it."""
        return next((place for place in self.at(station) if place.plug.is_at(spot)), None)

    def tariffs_of(self, ids: Iterable[str]) -> tuple[Object, ...]:
        """Tariffs by id, in order; ids that nobody knows are left out."""
        return tuple(self.tariffs[one] for one in ids if one in self.tariffs)
