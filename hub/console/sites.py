"""Sites of the local CPO: their EVSEs as they are, and what is drawn and allowed where limits are managed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Request, Response

from hub.console.accounts import Permission
from hub.console.formats import moment
from hub.console.listing import Column, FilterField, Listing, add_listing, sliced, validated
from hub.console.parties import read_local
from hub.console.places import location_path
from hub.console.routes import Console, done
from hub.console.stations import SITES_PATH, site_path
from hub.web.chargers import OBJECT_ID_MAX_CHARACTERS, ChargersDesk, EvseShown, SiteShown, missing_told
from hub.web.listing import Filters, Page, Text
from hub.web.loads import LimitAsked, LoadDesk
from ocpi_modules.errors import InvalidParameters, OcpiError
from ocpi_modules.parties import Party
from ocpi_modules.types import format_datetime

SiteId = Annotated[str, Path(min_length=1, max_length=OBJECT_ID_MAX_CHARACTERS)]
NodeId = Annotated[str, Form(min_length=1, max_length=OBJECT_ID_MAX_CHARACTERS)]

KILOWATTS_MAX_CHARACTERS = 20
MOMENT_MAX_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class SiteDesks:
    """What the pages of sites read; `party` is the local CPO."""

    chargers: ChargersDesk
    loads: LoadDesk
    party: Party


@dataclass(frozen=True, slots=True)
class EvseRow:
    """An EVSE as it was provisioned, and as it is; `now` is None where nothing is known yet."""

    content: Mapping[str, Any]
    now: EvseShown | None


def sites_router(console: Console, desks: SiteDesks) -> APIRouter:
    """The pages of sites."""
    router = console.router()
    add_listing(router, console, _sites(desks.chargers))

    @router.get("/sites/{site_id}")
    async def show(request: Request, site_id: SiteId) -> Response:
        console.person(request)
        one = await desks.chargers.show_site(site_id)
        values = {
            "one": one,
            "evses": evses_of(one),
            "place": location_path(str(desks.party), one.id),
            **await _load_values(desks.loads, one),
        }
        return await console.page(request, "site.html", values)

    @router.post("/sites/{site_id}/evses/{uid}/blocked")
    async def block(
        request: Request, site_id: SiteId, uid: SiteId, is_blocked: Annotated[str, Form(max_length=3)] = ""
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        with missing_told():
            await desks.chargers.office.block(site_id, uid, person.name if is_blocked else "")
        action = "evse_blocked" if is_blocked else "evse_unblocked"
        await console.gate.note(request, person, action, f"{site_id}/{uid}")
        said = "is told as BLOCKED, unless a car charges there" if is_blocked else "is not blocked any more"
        return done(site_path(site_id), f"EVSE {uid} {said}.")

    _add_limits(router, console, desks.loads)
    return router


def _add_limits(router: APIRouter, console: Console, desk: LoadDesk) -> None:
    @router.post("/sites/{site_id}/limits")
    async def limit(
        request: Request,
        site_id: SiteId,
        node: NodeId,
        limit_kw: Annotated[str, Form(max_length=KILOWATTS_MAX_CHARACTERS)] = "",
        until: Annotated[str, Form(max_length=MOMENT_MAX_CHARACTERS)] = "",
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        asked = validated(
            LimitAsked, {"node": node, "limit_kw": limit_kw.strip(), "until": read_end(until, person.zone)}
        )
        await desk.limit(site_id, asked)
        said = {"limit_kw": str(asked.limit_kw), "until": format_datetime(asked.until)}
        await console.gate.note(request, person, "limit_set", f"{site_id}/{node}", **said)
        end = moment(asked.until, person.zone)
        return done(load_path(site_id), f"{node} may take {asked.limit_kw} kW at most until {end}.")

    @router.post("/sites/{site_id}/limits/lift")
    async def lift(request: Request, site_id: SiteId, node: NodeId) -> Response:
        person = console.person(request, Permission.OPERATE)
        await desk.lift(site_id, node)
        await console.gate.note(request, person, "limit_lifted", f"{site_id}/{node}")
        return done(load_path(site_id), f"{node} is limited as it was provisioned again.")


def load_path(site_id: str) -> str:
    """Where the load of a site stands on its page."""
    return f"{site_path(site_id)}#load"


def read_end(text: str, zone: str) -> str:
    """A date and a time as they are typed, in a zone, as a moment of OCPI (UTC). Raises InvalidParameters where they are none."""
    end = read_local(text, zone)
    if end is None:
        raise InvalidParameters(f"until: a date and a time ({zone}) are wanted", http_status=400)
    return format_datetime(end)


async def _load_values(desk: LoadDesk, site: SiteShown) -> dict[str, Any]:
    """What is drawn and allowed; nothing where no limits are managed, a sentence where they cannot be read."""
    nothing: dict[str, Any] = {"load": None, "load_fault": "", "nodes": []}
    if not site.content.get("limits"):
        return nothing
    try:
        return nothing | {"load": await desk.show(site.id), "nodes": [*desk.tree(site.id).nodes.values()]}
    except OcpiError as bad:
        return nothing | {"load_fault": bad.message}


def evses_of(one: SiteShown) -> list[EvseRow]:
    """The EVSEs of a site, in the order in which they were provisioned."""
    now = {evse.uid: evse for evse in one.evses}
    return [EvseRow(content, now.get(content["uid"])) for content in one.content.get("evses", ())]


def count_of(one: SiteShown, *statuses: str) -> int:
    """How many EVSEs of a site have one of these statuses."""
    return sum(1 for evse in one.evses if evse.status in statuses)


class SiteFilters(Filters):
    """Which sites are wanted: `name` stands anywhere in name, id or town."""

    name: Text | None = None
    is_managed: bool | None = None
    sort: Literal["id", "-id", "evses", "-evses", "charging", "-charging"] | None = None

    def fits(self, one: SiteShown) -> bool:
        """Whether a site is wanted."""
        said = " ".join(str(one.content.get(name) or "") for name in ("id", "name", "address", "city"))
        is_named = self.name is None or self.name.casefold() in said.casefold()
        return is_named and self.is_managed in {None, bool(one.content.get("limits"))}

    def sorted(self, sites: Sequence[SiteShown]) -> list[SiteShown]:
        """Sites in the order that is asked for; by id, where none is."""
        orders: Mapping[str, Any] = {
            "id": lambda one: one.id,
            "evses": lambda one: (len(one.evses), one.id),
            "charging": lambda one: (count_of(one, "CHARGING"), one.id),
        }
        name = self.sort or "id"
        return sorted(sites, key=orders[name.removeprefix("-")], reverse=name.startswith("-"))


def _sites(desk: ChargersDesk) -> Listing[SiteShown, SiteFilters]:
    async def read(asked: SiteFilters) -> Page[SiteShown]:
        return sliced(asked.sorted([one for one in await desk.show_sites() if asked.fits(one)]), asked)

    def number(key: str, label: str, *statuses: str) -> Column[SiteShown]:
        return Column(
            key=key,
            label=label,
            value=lambda row: count_of(row, *statuses) if statuses else len(row.evses),
            kind="number",
            link=lambda row: f"{site_path(row.id)}#evses",
            sort=key if key in {"evses", "charging"} else None,
            is_minor=key in {"reserved", "unknown"},
        )

    return Listing(
        title="Sites",
        intro="Where the hub's own charge points are. Partners see them as Locations of the local CPO.",
        path=SITES_PATH,
        columns=(
            Column(
                key="id",
                label="Site",
                value=lambda row: row.id,
                kind="code",
                link=lambda row: site_path(row.id),
                sort="id",
            ),
            Column(key="name", label="Name", value=lambda row: row.content.get("name") or row.content.get("address")),
            Column(key="city", label="Town", value=lambda row: row.content.get("city"), is_minor=True),
            number("evses", "EVSEs"),
            number("available", "Free", "AVAILABLE"),
            number("charging", "Charging", "CHARGING"),
            number("out", "Out of order", "OUTOFORDER", "INOPERATIVE", "BLOCKED"),
            number("unknown", "Unknown", "UNKNOWN"),
            Column(
                key="managed",
                label="Load",
                value=lambda row: "managed" if row.content.get("limits") else None,
                link=lambda row: f"{site_path(row.id)}#load",
                is_minor=True,
            ),
            Column(key="is_told", label="Partners know it", value=_is_told, kind="flag", is_minor=True),
            Column(
                key="updated_at", label="Provisioned", value=lambda row: row.updated_at, kind="moment", is_rare=True
            ),
        ),
        filters=(
            FilterField(name="name", label="Name, id or town"),
            FilterField(name="is_managed", label="Load", choices=(("true", "managed"), ("false", "not managed"))),
        ),
        asked=SiteFilters,
        read=read,
        empty=(
            "No site is provisioned. Write sites, tariffs and stations into a file, and send it to /admin/sites/import "
            "or run “python -m hub chargers import sites.yaml” (see “Join charge points”)."
        ),
    )


def _is_told(row: SiteShown) -> bool:
    return row.is_told and all(evse.is_told for evse in row.evses)
