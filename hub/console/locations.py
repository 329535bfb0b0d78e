"""One Location: its EVSEs as they are now, plugs and tariffs, who may see it, and the text that its owner sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from hub.console.exports import attachment
from hub.console.parties import read_party
from hub.console.places import LOCATIONS_PATH, location_path
from hub.console.routes import Console
from hub.partners.directory import Directory
from hub.partners.roster import Roster
from hub.routing.reader import sees_shared
from hub.store.copies import Copies
from hub.store.places import GONE, KeptCopy, Places, PlaceState, state_of
from ocpi_modules.catalog import MODULES
from ocpi_modules.errors import UnknownPath
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import decode_json, fold, lenient_datetime

TARIFFS_SHOWN_MAX = 20
NOW_EVERY_SECONDS = 1.0
TEXT = "text"
LOCATIONS, TARIFFS = MODULES["locations"], MODULES["tariffs"]

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceDesks:
    """What the pages of places read: places, all copies, and who is connected."""

    places: Places
    copies: Copies
    roster: Roster


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """A connector, in words: its standard, current and power (volt, ampere, watt as the owner says), and its tariffs."""

    id: str
    standard: str
    power: str
    tariffs: Sequence[str]
    last_updated: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evse:
    """An EVSE with its plugs; `state` is what its status comes to, None for one that is removed."""

    uid: str
    evse_id: str
    where: str
    status: str
    state: PlaceState | None
    plugs: Sequence[Plug]
    last_updated: datetime | None

    @property
    def words(self) -> str:
        """Its status for people."""
        return self.status.replace("OUTOF", "OUT_OF_").replace("_", " ").capitalize() or "Not said"


@dataclass(frozen=True, slots=True)
class Reader:
    """A party that takes Locations, and whether this one is shown to it."""

    party: Party
    roles: Sequence[Role]
    sees_it: bool
    why: str


@dataclass(frozen=True, slots=True)
class TariffShown:
    """A tariff that a plug names: None where the hub has none of that id."""

    id: str
    text: bytes | None

    @property
    def words(self) -> str:
        """Its currency and the prices in it."""
        return price_words(decode_json(self.text)) if self.text else ""


def locations_router(console: Console, desks: PlaceDesks) -> APIRouter:
    """The page of a Location."""
    router = console.router()

    @router.get("/locations/{country_code}/{party_id}/{location_id:path}")
    async def show(
        request: Request, country_code: str, party_id: str, location_id: str, audience: str = "", format: str = ""
    ) -> Response:
        console.person(request)
        owner = read_party(f"{country_code}/{party_id}")
        copies = await desks.places.copies(owner, location_id)
        chosen = chosen_copy(copies, audience)
        if format == TEXT:
            name = f"location-{location_id}.json"
            return Response(chosen.text, media_type="application/json", headers=attachment(name))
        evses = evses_of(decode_json(chosen.text))
        values = {
            **_now_values(owner, chosen, evses),
            "copies": copies,
            "tariffs": await _tariffs(desks, owner, tariff_ids(evses)),
            "readers": readers_of(desks.roster.directory, owner, copies),
            "text": chosen.text.decode(),
        }
        return await console.page(request, "location.html", values)

    return router


def live_locations_router(console: Console, desks: PlaceDesks) -> APIRouter:
    """How the EVSEs of a Location are, for its page and for the map."""
    router = console.router(is_live=True)

    async def part(request: Request, template: str, owner: Party, location_id: str) -> str:
        audience = request.query_params.get("audience", "")
        chosen = chosen_copy(await desks.places.copies(owner, location_id), audience)
        return console.part(request, template, _now_values(owner, chosen, evses_of(decode_json(chosen.text))))

    @router.get("/map/now/{country_code}/{party_id}/{location_id:path}")
    async def live(request: Request, country_code: str, party_id: str, location_id: str) -> Response:
        owner = read_party(f"{country_code}/{party_id}")
        await part(request, "location_now.html", owner, location_id)  # one that there is not has nothing to follow
        return console.stream(
            request, lambda: part(request, "location_now.html", owner, location_id), NOW_EVERY_SECONDS
        )

    @router.get("/map/of/{country_code}/{party_id}/{location_id:path}")
    async def short(request: Request, country_code: str, party_id: str, location_id: str) -> Response:
        text = await part(request, "location_short.html", read_party(f"{country_code}/{party_id}"), location_id)
        return Response(text, media_type="text/html")

    return router


def _now_values(owner: Party, copy: KeptCopy, evses: Sequence[Evse]) -> dict[str, Any]:
    content = decode_json(copy.text)
    location_id = text_of(content, "id")
    return {
        "owner": str(owner),
        "one": heading_of(content),
        "content": content,
        "copy": copy,
        "evses": evses,
        "own_path": location_path(str(owner), location_id),
        "now_path": location_path(str(owner), location_id).replace(LOCATIONS_PATH, "/console/map/now", 1),
    }


def chosen_copy(copies: Sequence[KeptCopy], audience: str) -> KeptCopy:
    """The copy for an audience; without a name the first. Raises UnknownPath (404)."""
    for copy in copies:
        if not audience or copy.audience == audience:
            return copy
    raise UnknownPath("there is no such location")


async def _tariffs(desks: PlaceDesks, owner: Party, ids: Iterable[str]) -> list[TariffShown]:
    found = []
    for tariff_id in ids:
        copy = await desks.copies.owned(TARIFFS, owner, tariff_id, "")
        found.append(TariffShown(tariff_id, copy.text if copy else None))
    return found


# --- who may see it ---


def readers_of(directory: Directory, owner: Party, copies: Sequence[KeptCopy]) -> list[Reader]:
    """Every other party that takes Locations, and whether a copy of this one is for it."""
    audiences = {copy.audience for copy in copies if copy.stale_at is None}
    parties = sorted({member.party for member in directory.members} - {owner, directory.hub})
    return [_reader(directory, owner, party, audiences) for party in parties if _takes(directory, party)]


def _takes(directory: Directory, party: Party) -> bool:
    return sees_shared(LOCATIONS, directory.roles(party))


def _reader(directory: Directory, owner: Party, party: Party, audiences: set[str]) -> Reader:
    roles = sorted(directory.roles(party))
    if owner in directory.closed_to(party, LOCATIONS):
        return Reader(party, roles, False, "a rule keeps them apart")
    if str(party) in audiences:
        return Reader(party, roles, True, "it was sent to it alone")
    is_shared = "" in audiences
    return Reader(party, roles, is_shared, "it is for everybody" if is_shared else "it was sent to others only")


# --- what a Location says ---


def heading_of(content: Content) -> dict[str, str]:
    """What a Location is called and where it is."""
    point = content.get("coordinates")
    point = point if isinstance(point, dict) else {}
    town = " ".join(part for part in (text_of(content, "postal_code"), text_of(content, "city")) if part)
    return {
        "id": text_of(content, "id"),
        "name": text_of(content, "name") or text_of(content, "address"),
        "address": ", ".join(part for part in (text_of(content, "address"), town, text_of(content, "country")) if part),
        "point": ", ".join(text_of(point, name) for name in ("latitude", "longitude")),
        "operator": text_of(_dict(content.get("operator")), "name"),
        "zone": text_of(content, "time_zone"),
    }


def evses_of(content: Content) -> list[Evse]:
    """The EVSEs of a Location, whatever else its owner put there."""
    return [_evse(one) for one in _dicts(content.get("evses"))]


def tariff_ids(evses: Iterable[Evse]) -> list[str]:
    """The tariffs that plugs name, each once; TARIFFS_SHOWN_MAX at most."""
    named = {fold(name): name for evse in evses for plug in evse.plugs for name in plug.tariffs}
    return [*named.values()][:TARIFFS_SHOWN_MAX]


def _evse(one: Content) -> Evse:
    status = text_of(one, "status")
    return Evse(
        uid=text_of(one, "uid"),
        evse_id=text_of(one, "evse_id"),
        where=", ".join(part for part in (text_of(one, "floor_level"), text_of(one, "physical_reference")) if part),
        status=status,
        state=None if status == GONE else state_of(status),
        plugs=[_plug(plug) for plug in _dicts(one.get("connectors"))],
        last_updated=lenient_datetime(one.get("last_updated")),
    )


def _plug(one: Content) -> Plug:
    standard = " ".join(text_of(one, name) for name in ("standard", "format")).replace("_", " ")
    tariffs = one.get("tariff_ids")
    return Plug(
        id=text_of(one, "id"),
        standard=standard.strip(),
        power=power_words(one),
        tariffs=[name for name in tariffs if isinstance(name, str)] if isinstance(tariffs, list) else [],
        last_updated=lenient_datetime(one.get("last_updated")),
    )


def power_words(plug: Content) -> str:
    """The kind of current, volt, ampere and kilowatt of a connector, as far as it gives them."""
    watt = plug.get("max_electric_power")
    kilowatt = f"{watt / 1000:g} kW" if isinstance(watt, int) else ""
    units = [(text_of(plug, "max_voltage"), "V"), (text_of(plug, "max_amperage"), "A")]
    measures = [f"{value} {unit}" for value, unit in units if value]
    return ", ".join(part for part in (kilowatt, text_of(plug, "power_type").replace("_", " "), *measures) if part)


def price_words(tariff: Content) -> str:
    """The prices in a tariff, each once: ``EUR: energy 0.40, parking time 2.00``."""
    parts = {
        f"{text_of(part, 'type').replace('_', ' ').lower()} {text_of(part, 'price')}": None
        for element in _dicts(tariff.get("elements"))
        for part in _dicts(element.get("price_components"))
    }
    return f"{text_of(tariff, 'currency')}: {', '.join(parts)}"


def text_of(content: Content, name: str) -> str:
    """A plain field as text; empty where it is not there, or no plain value."""
    value = content.get(name)
    return "" if value is None or isinstance(value, dict | list | bool) else str(value)


def _dicts(value: Any) -> list[Content]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _dict(value: Any) -> Content:
    return value if isinstance(value, dict) else {}
