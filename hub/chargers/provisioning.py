"""What an operator provisions, out of YAML or JSON: sites with their plugs, tariffs, stations. Pure; every fault is told with its place.

```yaml
sites:                      # OCPI Locations (mod_locations), without what the hub adds: owner, status, last_updated
  - id: DEPOT
    …
    evses:                  # what stands in one EVSE shares a power path: one car at a time
      - uid: "1"
        connectors:
          - id: "1"
            station: CP-17  # the identity of its charge point
            number: 1       # connectorId of OCPP 1.6; of OCPP 2.x the connector in its EVSE
            evse_number: 1  # OCPP 2.x only
            …
    limits: {id: grid, limit_kw: 60, evses: ["1"]}
tariffs: […]                # OCPI Tariffs (mod_tariffs) without their owner
stations:
  - {identity: CP-17, secret: …, note: …}
```
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from hub.chargers.places import Object, Plug, Site, SiteBook
from hub.settlement.terms_file import NotAgreements, decode_terms
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.locations import EVSE, Connector, Location
from ocpi_modules.message import is_key, judge_whole
from ocpi_modules.parties import Party
from ocpi_modules.tariffs import Tariff
from ocpi_modules.types import OcpiObject, fault_sentence, fold, is_consequence

IDENTITY_MAX_CHARACTERS = 48
SECRET_MIN_CHARACTERS = 16
SECRET_MAX_CHARACTERS = 40
NOTE_MAX_CHARACTERS = 255
SITES_MAX = 10_000
EVSES_PER_SITE_MAX = 1_000
STATIONS_PER_IMPORT_MAX = 1_000
LIMIT_NODES_MAX = 1_000
LIMIT_LEVELS_MAX = 12
FAULTS_MAX = 100
NUMBER_MAX = 1_000

_IS_IDENTITY = re.compile(f"[!-.0-~]{{1,{IDENTITY_MAX_CHARACTERS}}}").fullmatch
_IS_SECRET = re.compile(f"[!-~]{{{SECRET_MIN_CHARACTERS},{SECRET_MAX_CHARACTERS}}}").fullmatch
_IS_EVSE_ID = re.compile(r"[A-Za-z]{2}\*?[A-Za-z0-9]{3}\*?[Ee][A-Za-z0-9][A-Za-z0-9*]{0,30}").fullmatch

PREFERENCES_CAPABLE = "CHARGING_PREFERENCES_CAPABLE"
"""What the hub says of EVSEs whose load it manages, and of no other ones (mod_sessions, "Set: Charging Preferences")."""

_OWNER = ("country_code", "party_id")
_PLUG = ("station", "number", "evse_number")
_CHANGING = ("status", "last_updated")
_STANDS_IN = {"last_updated": "2000-01-01T00:00:00Z"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at a place like ``sites[0].evses[1].connectors[0].station``."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class BadProvisions(Exception):
    """Something of what is to be provisioned is wrong, and nothing of it counts."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults[:FAULTS_MAX])
        super().__init__("; ".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StationWanted:
    """A station that the operator names; without a `secret` a new one gets one."""

    identity: str
    secret: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisions:
    """What is to be kept, by id: sites as they are written, tariffs, and stations."""

    sites: Mapping[str, Object] = field(default_factory=dict)
    tariffs: Mapping[str, Object] = field(default_factory=dict)
    stations: tuple[StationWanted, ...] = ()


def decode_provisions(text: bytes, *, is_yaml: bool) -> Any:
    """A text as plain values, numbers as int or Decimal. Raises BadProvisions."""
    try:
        return decode_terms(text, is_yaml=is_yaml)
    except NotAgreements as refused:
        raise BadProvisions([Fault("the body", str(refused))]) from refused


def read_provisions(content: Any, known: SiteBook, party: Party) -> Provisions:
    """What is to be provisioned beside what is `known`; `party`: the local CPO. Raises BadProvisions with every fault."""
    desk = _Reader(known, party)
    provisions = desk.read(content)
    if desk.faults:
        raise BadProvisions(desk.faults)
    return provisions


def read_site(id: str, content: Object, party: Party) -> Site:
    """A site out of what is kept of it (`Provisions.sites`)."""
    owner = {"country_code": party.country_code, "party_id": party.party_id}
    fields = {name: value for name, value in content.items() if name not in {"limits", "removed", *_OWNER}}
    is_managed = content.get("limits") is not None
    evses = [_with_capability(_evse(evse), is_managed) for evse in content.get("evses") or ()]
    return Site(
        id=id,
        location={**owner, **fields, "evses": evses},
        plugs=tuple(_plugs(content)),
        limits=content.get("limits"),
        removed=tuple(_evse(evse) for evse in content.get("removed") or ()),
    )


def read_tariff(content: Object, party: Party) -> Object:
    """A tariff out of what is kept of it, with its owner, without `last_updated`."""
    return {"country_code": party.country_code, "party_id": party.party_id, **content}


def with_removed(content: Object, before: Object | None) -> Object:
    """A site that takes the place of another one: EVSEs that are there no more stand under `removed`."""
    if before is None:
        return content
    present = {fold(evse["uid"]) for evse in content.get("evses") or ()}
    gone = [*(before.get("removed") or ()), *(before.get("evses") or ())]
    removed = [_evse(evse) for evse in gone if fold(evse["uid"]) not in present]
    return {**content, "removed": removed} if removed else content


def is_free(tariff: Object) -> bool:
    """Whether nothing that a tariff has costs anything."""
    return not any(part["price"] for element in tariff["elements"] for part in element["price_components"])


def is_plainly_free(tariff: Object) -> bool:
    """Whether a tariff is free as OCPI wants that to be said (mod_tariffs, "Free of Charge Tariff example"; TF-09)."""
    elements = tariff["elements"]
    parts = elements[0]["price_components"]
    return len(elements) == 1 and not elements[0].get("restrictions") and [part["type"] for part in parts] == ["FLAT"]


def is_identity(text: Any) -> bool:
    """Whether a charge point can be called so: visible ASCII without a slash."""
    return isinstance(text, str) and bool(_IS_IDENTITY(text))


def _evse(evse: Object) -> dict[str, Any]:
    connectors = [_without(connector, _PLUG) for connector in evse["connectors"]]
    return {**evse, "connectors": connectors}


def _with_capability(evse: dict[str, Any], is_managed: bool) -> dict[str, Any]:
    """An EVSE that says that it takes charging preferences where it does."""
    stated = [one for one in evse.get("capabilities") or () if one != PREFERENCES_CAPABLE]
    if is_managed:
        return {**evse, "capabilities": [*stated, PREFERENCES_CAPABLE]}
    return {**evse, "capabilities": stated} if "capabilities" in evse else evse


def _without(content: Object, names: Iterable[str]) -> dict[str, Any]:
    left_out = frozenset(names)
    return {name: value for name, value in content.items() if name not in left_out}


def _plugs(content: Object) -> Iterator[Plug]:
    for evse in content.get("evses") or ():
        for connector in evse["connectors"]:
            yield Plug(
                station=connector["station"],
                evse=connector.get("evse_number") or 0,
                connector=connector["number"],
                evse_uid=evse["uid"],
                connector_id=connector["id"],
            )


# --- reading ---


class _Reader:
    """Collects what is wrong."""

    def __init__(self, known: SiteBook, party: Party) -> None:
        self._known, self._party = known, party
        self.faults: list[Fault] = []

    def read(self, content: Any) -> Provisions:
        """Whatever can be read."""
        if not isinstance(content, Mapping):
            self._wrong("the body", "is no object with sites, tariffs or stations")
            return Provisions()
        self._names("the body", content, {"sites", "tariffs", "stations"})
        tariffs = {
            one["id"]: one for place, item in self._list(content, "tariffs") if (one := self._tariff(place, item))
        }
        named = [item.get("id") for _, item in self._list(content, "tariffs") if isinstance(item, Mapping)]
        tariff_ids = {*self._known.tariffs, *(one for one in named if isinstance(one, str))}
        items = list(self._list(content, "sites"))
        sites = {one["id"]: one for place, item in items if (one := self._site(place, item, tariff_ids))}
        read = [self._station(place, item) for place, item in self._list(content, "stations")]
        stations = [station for station in read if station is not None]
        self._amounts(sites, stations)
        self._once([(f"{place}.id", item) for place, item in items], "id", self._known.sites)
        self._once([(f"{place}.id", item) for place, item in self._list(content, "tariffs")], "id", self._known.tariffs)
        self._once([(f"{place}.identity", item) for place, item in self._list(content, "stations")], "identity", ())
        if not self.faults:
            self._plugs_once(items)
        return Provisions(sites=sites, tariffs=tariffs, stations=tuple(stations))

    def _amounts(self, sites: Mapping[str, Object], stations: Sequence[StationWanted]) -> None:
        if len({*self._known.sites, *sites}) > SITES_MAX:
            self._wrong("sites", f"are more than {SITES_MAX} with those that are there")
        if len(stations) > STATIONS_PER_IMPORT_MAX:
            self._wrong("stations", f"are more than {STATIONS_PER_IMPORT_MAX} at once")

    # --- sites ---

    def _site(self, place: str, item: Any, tariff_ids: set[str]) -> dict[str, Any] | None:
        if not self._object(place, item):
            return None
        self._names(place, item, {*Location.model_fields, "limits"} - {"last_updated"})
        self._owner(place, item)
        evses = self._evses(place, item, tariff_ids)
        owned = {**item, **_owner_of(self._party), **_STANDS_IN, "evses": []}
        self._judge(Location, place, _without(owned, ("limits",)))
        self._id(f"{place}.id", item.get("id"))
        if item.get("limits") is not None:
            self._limits(f"{place}.limits", item["limits"], {fold(uid) for uid in evses})
        if any(fault.place.startswith(place) for fault in self.faults):
            return None
        kept = _without(item, _OWNER)
        self._whole(place, kept)
        return kept

    def _whole(self, place: str, kept: Object) -> None:
        """All of it once more, as partners will see it."""
        location = read_site(str(kept["id"]), kept, self._party).location
        evses = [
            {
                **evse,
                "status": "UNKNOWN",
                **_STANDS_IN,
                "connectors": [{**connector, **_STANDS_IN} for connector in evse["connectors"]],
            }
            for evse in location["evses"]
        ]
        try:
            judge_whole(Location, {**location, **_STANDS_IN, "evses": evses})
        except InvalidParameters as refused:
            self._wrong(place, refused.message)

    def _evses(self, place: str, site: Object, tariff_ids: set[str]) -> list[str]:
        items = list(self._list(site, "evses", place))
        if len(items) > EVSES_PER_SITE_MAX:
            self._wrong(f"{place}.evses", f"are more than {EVSES_PER_SITE_MAX}")
            return []
        for at, evse in items:
            if self._object(at, evse):
                self._evse(at, evse, tariff_ids)
        self._once([(f"{at}.uid", evse) for at, evse in items], "uid", ())
        return [evse["uid"] for _, evse in items if isinstance(evse, Mapping) and isinstance(evse.get("uid"), str)]

    def _evse(self, place: str, evse: Object, tariff_ids: set[str]) -> None:
        self._names(place, evse, {*EVSE.model_fields} - {*_CHANGING})
        connectors = list(self._list(evse, "connectors", place))
        for at, connector in connectors:
            if self._object(at, connector):
                self._connector(at, connector, tariff_ids)
        self._once([(f"{at}.id", connector) for at, connector in connectors], "id", ())
        stub = [
            {"id": "1", "standard": "IEC_62196_T2", "format": "CABLE", "power_type": "DC", **_NO_POWER, **_STANDS_IN}
        ]
        self._judge(EVSE, place, {**evse, "status": "UNKNOWN", **_STANDS_IN, "connectors": stub if connectors else []})
        self._id(f"{place}.uid", evse.get("uid"))
        self._form(f"{place}.evse_id", evse.get("evse_id"))

    def _form(self, place: str, evse_id: Any) -> None:
        if isinstance(evse_id, str) and not _IS_EVSE_ID(evse_id):
            self._wrong(place, "is no EVSE id as eMI3 has them, like NL*LOC*E1234")

    def _connector(self, place: str, connector: Object, tariff_ids: set[str]) -> None:
        self._names(place, connector, {*Connector.model_fields, *_PLUG} - {"last_updated"})
        self._judge(Connector, place, {**_without(connector, _PLUG), **_STANDS_IN})
        self._id(f"{place}.id", connector.get("id"))
        if not is_identity(connector.get("station")):
            reason = f"is required: the identity of a charge point, 1 to {IDENTITY_MAX_CHARACTERS} visible characters, no slash"
            self._wrong(f"{place}.station", reason)
        self._number(f"{place}.number", connector.get("number"))
        if connector.get("evse_number") is not None:
            self._number(f"{place}.evse_number", connector["evse_number"])
        named = connector.get("tariff_ids") or ()
        for index, tariff_id in enumerate(named if isinstance(named, list) else ()):
            if isinstance(tariff_id, str) and tariff_id not in tariff_ids:
                self._wrong(f"{place}.tariff_ids[{index}]", f"there is no tariff {tariff_id[:36]!r}")

    def _number(self, place: str, value: Any) -> None:
        if type(value) is not int or not 1 <= value <= NUMBER_MAX:
            self._wrong(place, f"is required: a whole number from 1 to {NUMBER_MAX}")

    def _plugs_once(self, items: Sequence[tuple[str, Any]]) -> None:
        """Each plug of a station stands for one connector, and an EVSE of a station for one EVSE."""
        replaced = {item["id"] for _, item in items}
        there = [site for id, site in self._known.sites.items() if id not in replaced]
        taken = _Taken([(f"site {site.id}", plug) for site in there for plug in site.plugs])
        for place, item in items:
            for at, plug in _placed_plugs(place, item):
                if reason := taken.add(at, item["id"], plug):
                    self._wrong(at, reason)

    # --- limits ---

    def _limits(self, place: str, tree: Any, uids: set[str]) -> None:
        seen: set[str] = set()
        waiting = [(place, tree, 1)]
        while waiting and len(seen) <= LIMIT_NODES_MAX:
            at, node, level = waiting.pop(0)
            if not self._object(at, node):
                continue
            self._node(at, node, seen, uids)
            if level >= LIMIT_LEVELS_MAX and node.get("children"):
                self._wrong(f"{at}.children", f"are deeper than {LIMIT_LEVELS_MAX} levels")
                continue
            waiting += [(child_at, child, level + 1) for child_at, child in self._list(node, "children", at)]
        if waiting:
            self._wrong(place, f"has more than {LIMIT_NODES_MAX} nodes")

    def _node(self, place: str, node: Object, seen: set[str], uids: set[str]) -> None:
        name = node.get("id")
        if not isinstance(name, str) or not name:
            self._wrong(f"{place}.id", "is required: a text")
        elif fold(name) in seen:
            self._wrong(f"{place}.id", f"{name[:36]!r} stands twice")
        else:
            seen.add(fold(name))
        for at, uid in self._list(node, "evses", place):
            if not isinstance(uid, str) or fold(uid) not in uids:
                self._wrong(at, "there is no EVSE of this uid at the site")

    # --- tariffs and stations ---

    def _tariff(self, place: str, item: Any) -> dict[str, Any] | None:
        if not self._object(place, item):
            return None
        before = len(self.faults)
        self._names(place, item, {*Tariff.model_fields} - {"last_updated"})
        self._owner(place, item)
        self._judge(Tariff, place, {**item, **_owner_of(self._party), **_STANDS_IN})
        self._id(f"{place}.id", item.get("id"))
        if len(self.faults) == before and is_free(item) and not is_plainly_free(item):
            self._wrong(
                f"{place}.elements", "cost nothing: a free tariff is one element with one FLAT component of 0 (TF-09)"
            )
        return _without(item, _OWNER) if len(self.faults) == before else None

    def _station(self, place: str, item: Any) -> StationWanted | None:
        if not self._object(place, item):
            return None
        before = len(self.faults)
        self._names(place, item, {"identity", "secret", "note"})
        identity, secret, note = item.get("identity"), item.get("secret"), item.get("note")
        if not is_identity(identity):
            self._wrong(
                f"{place}.identity", f"is required: 1 to {IDENTITY_MAX_CHARACTERS} visible characters, no slash"
            )
        if secret is not None and not (isinstance(secret, str) and _IS_SECRET(secret)):
            bounds = f"{SECRET_MIN_CHARACTERS} to {SECRET_MAX_CHARACTERS} visible characters"
            self._wrong(f"{place}.secret", f"is no text of {bounds}")
        if note is not None and not (isinstance(note, str) and len(note) <= NOTE_MAX_CHARACTERS and note.isprintable()):
            self._wrong(f"{place}.note", f"is no text of at most {NOTE_MAX_CHARACTERS} printable characters")
        return StationWanted(identity=identity, secret=secret, note=note) if len(self.faults) == before else None

    # --- what all have in common ---

    def _wrong(self, place: str, reason: str) -> None:
        self.faults.append(Fault(place, reason))

    def _object(self, place: str, item: Any) -> bool:
        if not isinstance(item, Mapping):
            self._wrong(place, "is no object")
        return isinstance(item, Mapping)

    def _list(self, content: Object, name: str, place: str = "") -> Iterator[tuple[str, Any]]:
        items = content.get(name)
        at = f"{place}.{name}" if place else name
        if items is None:
            return
        if not isinstance(items, list):
            if Fault(at, "is no list") not in self.faults:
                self._wrong(at, "is no list")
            return
        yield from ((f"{at}[{index}]", item) for index, item in enumerate(items))

    def _names(self, place: str, item: Object, known: set[str]) -> None:
        for name in item:
            if name in _CHANGING and name not in known:
                self._wrong(f"{place}.{name}", "is nothing that is provisioned: the hub says it")
            elif name not in known:
                self._wrong(f"{place}.{str(name)[:60]}", "is not known")

    def _owner(self, place: str, item: Object) -> None:
        for name, own in _owner_of(self._party).items():
            said = item.get(name)
            if said is not None and not (isinstance(said, str) and fold(said) == fold(own)):
                self._wrong(f"{place}.{name}", f"is not that of the local CPO, {own}")

    def _id(self, place: str, value: Any) -> None:
        # ids stand in addresses
        if isinstance(value, str) and value and not is_key(value):
            self._wrong(place, "cannot stand in an address")

    def _judge(self, model: type[OcpiObject], place: str, content: Object) -> None:
        try:
            model.model_validate(content)
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                if not is_consequence(fault):
                    self._wrong(_joined(place, _path_of(fault)), _reason_of(fault))

    def _once(self, items: Iterable[tuple[str, Any]], name: str, known: Iterable[str]) -> None:
        seen = {fold(one): one for one in known}
        here: set[str] = set()
        for place, item in items:
            value = item.get(name) if isinstance(item, Mapping) else None
            if not isinstance(value, str):
                continue
            if fold(value) in here:
                self._wrong(place, f"{value[:48]!r} stands twice")
            elif seen.get(fold(value), value) != value:
                self._wrong(place, f"is known as {seen[fold(value)]!r}")
            here.add(fold(value))


_NO_POWER = {"max_voltage": 0, "max_amperage": 0}


class _Taken:
    """Which plug of which station is which connector."""

    def __init__(self, plugs: Iterable[tuple[str, Plug]]) -> None:
        self._plugs: dict[str, list[tuple[str, str, Plug]]] = {}
        for at, plug in plugs:
            self.add(at, at, plug)

    def add(self, at: str, site: str, plug: Plug) -> str | None:
        """Note a plug; what is wrong with it, None if nothing is."""
        there = self._plugs.setdefault(plug.station, [])
        for other_at, other_site, other in there:
            is_same_evse = (other_site, other.evse_uid) == (site, plug.evse_uid)
            if other.connector == plug.connector and (other.evse == plug.evse or 0 in {other.evse, plug.evse}):
                return f"is the same plug of {plug.station} as {other_at}"
            if 0 < plug.evse == other.evse and not is_same_evse:
                return f"shares EVSE {plug.evse} of {plug.station} with {other_at}, and stands in another EVSE"
            if is_same_evse and plug.evse != other.evse:
                return f"is at another EVSE of {plug.station} than {other_at}: they share no power path"
        there.append((at, site, plug))
        return None


def _placed_plugs(place: str, site: Object) -> Iterator[tuple[str, Plug]]:
    places = [
        f"{place}.evses[{row}].connectors[{column}]"
        for row, evse in enumerate(site.get("evses") or ())
        for column, _ in enumerate(evse["connectors"])
    ]
    yield from zip(places, _plugs(site), strict=True)


def _owner_of(party: Party) -> dict[str, str]:
    return {"country_code": party.country_code, "party_id": party.party_id}


def _path_of(fault: Any) -> list[Any]:
    path = [*fault["loc"]]
    return [*path, fault["ctx"]["field"]] if fault["type"] == "rule" else path


def _joined(place: str, path: Sequence[Any]) -> str:
    for step in path:
        place = f"{place}[{step}]" if isinstance(step, int) else f"{place}.{step}"
    return place


def _reason_of(fault: Any) -> str:
    """The sentence about a fault without the path, which stands before it already."""
    return (
        fault_sentence({**fault, "loc": (), "ctx": {**fault.get("ctx", {}), "field": ""}})
        .removeprefix("the object")
        .lstrip(": ")
    )
