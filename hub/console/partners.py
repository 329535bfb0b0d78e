"""Partners: the list of connected platforms, and one of them with all that can be done about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from hub.console.accounts import Permission, Person
from hub.console.inviting import PARTNERS_PATH, told_steps
from hub.console.listing import Column, FilterField, Listing, add_listing, sliced
from hub.console.live import event
from hub.console.network import NetworkDesks
from hub.console.routes import Console, done
from hub.partners.directory import Partner
from hub.partners.probe import Report
from hub.partners.probe import Row as Observation
from hub.partners.progress import of_partner
from hub.partners.quirks import Quirks
from hub.store.partners import JOINED
from hub.store.pulls import PullMode
from hub.web.asked import PartnerShown
from hub.web.listing import Filters, Page, Text
from hub.web.upkeep import show_defects
from ocpi_modules.catalog import MODULES
from ocpi_modules.errors import InvalidParameters, OcpiError, UnknownPath
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party, Role

PROBE_MAX_SECONDS = 300.0
DEFECTS_SHOWN_MAX = 50
SWITCHES = ("nulls", "slash", "unwrap", "singles", "token_type", "lenient", "collapse", "short_address")
CHOICES = {"token": ("base64", "raw"), "links": ("follow", "rebuild")}

CONNECTED, OFFLINE, SUSPENDED, PLANNED = "CONNECTED", "OFFLINE", "SUSPENDED", "PLANNED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerLine:
    """A partner in the list: what it is, whether it is there, when it was heard (UTC), and what waits for it."""

    id: int
    name: str
    state: str
    presence: str
    parties: tuple[str, ...]
    joined_at: datetime
    heard_at: datetime | None
    quirks: int
    waiting: int


def partners_router(console: Console, desks: NetworkDesks) -> APIRouter:
    """The pages of partners."""
    router = console.router()
    add_listing(router, console, _partners(desks))
    _add_partner(router, console, desks)
    _add_deeds(router, console, desks)
    _add_probe(router, console, desks)
    _add_upkeep(router, console, desks)
    return router


def partner_path(partner_id: int) -> str:
    """The page of a partner."""
    return f"{PARTNERS_PATH}/{partner_id}"


def presence_of(partner: PartnerShown) -> str:
    """How a partner is, out of the statuses of its parties: OFFLINE where any is, CONNECTED where any is."""
    statuses = {party.status for party in partner.parties}
    return next((one for one in (OFFLINE, CONNECTED, PLANNED) if one in statuses), SUSPENDED if statuses else "")


def quirks_set(quirks: Quirks) -> dict[str, Any]:
    """What departs from the specification."""
    return quirks.model_dump(mode="json", exclude_defaults=True)


# --- one partner ---


def _add_partner(router: APIRouter, console: Console, desks: NetworkDesks) -> None:
    @router.get("/partners/{partner_id:int}")
    async def show(request: Request, partner_id: int) -> Response:
        console.person(request)
        partner = desks.partners.partner(partner_id)
        shown = await desks.partners.show_partner(partner_id)
        waiting = await desks.waiting()
        values = {
            "one": shown,
            "presence": presence_of(shown),
            "is_local": partner.is_local,
            "held": {(p.country_code, p.party_id, p.role): p for p in await desks.terms.show_parties()},
            "waiting": {name: waiting.get(name, 0) for name in party_names(shown)},
            "quirks": _quirk_rows(partner.quirks),
            "quirk_endpoints": "\n".join(f"{e.identifier} {e.role.value} {e.url}" for e in partner.quirks.endpoints),
            "report": await _report(desks, partner_id),
            "pulls": await desks.upkeep.show_pulls(partner_id),
            "modes": [mode.value for mode in PullMode],
            "defects": await _defects(desks, shown),
            "rules": _rule_counts(desks, shown),
            "history": told_steps(await desks.steps.of(of_partner(partner_id))),
        }
        return await console.page(request, "partner.html", values)


def party_names(partner: PartnerShown) -> list[str]:
    """The parties of a partner, each once."""
    return sorted({f"{party.country_code}/{party.party_id}" for party in partner.parties})


def _quirk_rows(quirks: Quirks) -> list[dict[str, Any]]:
    """The fields of the form: name, what it means, its value, and what there is to choose from (nothing for a switch)."""
    fields = type(quirks).model_fields
    return [
        {
            "name": name,
            "means": fields[name].description,
            "value": getattr(quirks, name),
            "choices": CHOICES.get(name, ()),
            "is_set": getattr(quirks, name) != fields[name].default,
        }
        for name in (*CHOICES, *SWITCHES)
    ]


async def _report(desks: NetworkDesks, partner_id: int) -> Report | None:
    try:
        return await desks.upkeep.report(partner_id)
    except UnknownPath:
        return None


async def _defects(desks: NetworkDesks, partner: PartnerShown) -> Sequence[Any]:
    found = [
        defect
        for name in party_names(partner)
        for defect in show_defects(await desks.upkeep.defects.load(Party.parse(name)))
    ]
    return sorted(found, key=lambda one: -one.kept - one.refused)[:DEFECTS_SHOWN_MAX]


def _rule_counts(desks: NetworkDesks, partner: PartnerShown) -> dict[str, int]:
    """How many rules that are good now name each party."""
    permissions = desks.terms.roster.directory.permissions
    now = desks.terms.clock.now()
    good = [rule for rule in permissions.rules if rule.is_good_at(now)]
    return {name: sum(Party.parse(name) in {rule.one, rule.other} for rule in good) for name in party_names(partner)}


# --- what can be done about it ---


def _add_deeds(router: APIRouter, console: Console, desks: NetworkDesks) -> None:
    @router.post("/partners/{partner_id:int}/rotate")
    async def rotate(request: Request, partner_id: int) -> Response:
        person = console.person(request, Permission.OPERATE)
        partner = desks.partners.partner(partner_id)
        try:
            await desks.partners.handshake.rotate(partner)
        except OcpiError as fault:
            await _note(console, request, person, "rotation_failed", partner)
            return done(partner_path(partner_id), f"The tokens are as they were: {fault.message}.", is_good=False)
        await _note(console, request, person, "tokens_rotated", partner)
        return done(partner_path(partner_id), "Both directions have new tokens; the old ones open nothing any more.")

    @router.post("/partners/{partner_id:int}/disconnect")
    async def disconnect(
        request: Request, partner_id: int, name: Annotated[str, Form(max_length=255)] = ""
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        partner = desks.partners.partner(partner_id)
        if name.strip() != partner.name.strip():
            return done(partner_path(partner_id), "That is not its name: it stays connected.", is_good=False)
        try:
            await desks.partners.handshake.dismiss(partner)
        except InvalidParameters as fault:
            return done(partner_path(partner_id), f"It stays connected: {fault.message}.", is_good=False)
        await _note(console, request, person, "partner_disconnected", partner)
        return done(PARTNERS_PATH, f"{partner.name} is disconnected: its tokens open nothing any more.")


async def _note(console: Console, request: Request, person: Person, action: str, partner: Partner) -> None:
    await console.gate.note(request, person, action, of_partner(partner.id), name=partner.name)


# --- the probe ---


def _add_probe(router: APIRouter, console: Console, desks: NetworkDesks) -> None:
    @router.post("/partners/{partner_id:int}/probe")
    async def probe(request: Request, partner_id: int) -> Response:
        """A browser with scripts sees each row when it is there; one without waits for the whole report."""
        person = console.person(request, Permission.OPERATE)
        partner = desks.partners.partner(partner_id)
        if partner.is_local:
            return done(
                partner_path(partner_id), "It is a part of this hub: there is nothing to find out.", is_good=False
            )
        await _note(console, request, person, "partner_probed", partner)
        seen: asyncio.Queue[Observation | None] = asyncio.Queue()
        examining = asyncio.create_task(_examine(desks, partner, seen))
        if "hx-request" not in request.headers:
            report = await examining
            return done(f"{partner_path(partner_id)}#probe", _told(report), is_good=report is not None)
        return StreamingResponse(_rows(console, request, seen, examining), media_type="text/event-stream")


async def _examine(desks: NetworkDesks, partner: Partner, seen: asyncio.Queue[Observation | None]) -> Report | None:
    """The report; None where it could not be made within PROBE_MAX_SECONDS. Goes on to its end when nobody looks any more."""
    try:
        async with asyncio.timeout(PROBE_MAX_SECONDS):
            return await desks.upkeep.prober.examine(partner, is_thorough=True, told=seen.put_nowait)
    except (OcpiError, TimeoutError):
        return None
    finally:
        seen.put_nowait(None)


async def _rows(
    console: Console,
    request: Request,
    seen: asyncio.Queue[Observation | None],
    examining: asyncio.Task[Report | None],
) -> AsyncIterator[str]:
    rows: list[Observation] = []
    while (row := await seen.get()) is not None:
        rows.append(row)
        yield event(console.part(request, "probe.html", {"rows": rows, "sentence": ""}))
    report = await examining
    yield event(console.part(request, "probe.html", {"rows": rows, "sentence": _told(report)}))


def _told(report: Report | None) -> str:
    if report is None:
        return "The probe did not come to its end."
    found = f" It found quirks: {', '.join(report.quirks)}." if report.quirks else ""
    return f"{len(report.rows)} observations, {report.differences} of them differ from OCPI.{found}"


# --- its software ---


def _add_upkeep(router: APIRouter, console: Console, desks: NetworkDesks) -> None:
    @router.post("/partners/{partner_id:int}/pulls/{module_id}")
    async def pull(
        request: Request, partner_id: int, module_id: str, mode: Annotated[str, Form(max_length=20)] = ""
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        partner = desks.partners.partner(partner_id)
        back = f"{partner_path(partner_id)}#pulls"
        if mode:
            await desks.upkeep.set_mode(partner_id, module_id, read_mode(mode))
            await _note(console, request, person, f"pull_{module_id}_{mode}".replace("-", "_"), partner)
            return done(back, f"{module_id}: pulled {mode.replace('-', ' ')}.")
        desks.upkeep.pull_now(partner_id, module_id)
        await _note(console, request, person, f"pulled_{module_id}", partner)
        return done(back, f"The list of {module_id} is read now; what came of it stands here in a while.")

    @router.post("/partners/{partner_id:int}/quirks")
    async def set_quirks(request: Request, partner_id: int) -> Response:
        person = console.person(request, Permission.OPERATE)
        partner = desks.partners.partner(partner_id)
        form = await request.form()
        quirks = read_quirks({name: str(value) for name, value in form.items()})
        await desks.upkeep.set_quirks(partner_id, quirks)
        target = of_partner(partner_id)
        await console.gate.note(request, person, "quirks_set", target, name=partner.name, quirks=quirks_set(quirks))
        return done(f"{partner_path(partner_id)}#quirks", "Its quirks count from now on.")


def read_mode(text: str) -> PullMode:
    """When a module is pulled. Raises InvalidParameters."""
    try:
        return PullMode(text)
    except ValueError as exc:
        raise InvalidParameters(f"mode: is none of {', '.join(PullMode)}", http_status=400) from exc


def read_quirks(form: dict[str, str]) -> Quirks:
    """The record out of its form; endpoints are lines like ``locations SENDER https://…``. Raises InvalidParameters."""
    content: dict[str, Any] = {name: form[name] for name in CHOICES if name in form}
    content |= {name: form.get(name) == "yes" for name in SWITCHES}
    content["endpoints"] = [read_endpoint(line) for line in form.get("endpoints", "").splitlines() if line.strip()]
    try:
        return Quirks.model_validate(content)
    except ValidationError as exc:
        fault = exc.errors()[0]
        raise InvalidParameters(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}", http_status=400) from exc


def read_endpoint(line: str) -> dict[str, str]:
    """A line of the form. Raises InvalidParameters."""
    parts = line.split()
    if len(parts) != 3 or parts[0] not in MODULES or parts[1] not in set(Interface):
        raise InvalidParameters(f"endpoints: “{line}” is not a module, SENDER or RECEIVER, and a URL", http_status=400)
    return dict(zip(("identifier", "role", "url"), parts, strict=True))


# --- the list ---


class PartnerFilters(Filters):
    """Which partners are wanted."""

    text: Text | None = None
    presence: Text | None = None
    role: Text | None = None


def _partners(desks: NetworkDesks) -> Listing[PartnerLine, PartnerFilters]:
    async def read(asked: PartnerFilters) -> Page[PartnerLine]:
        waiting = await desks.waiting()
        known = desks.partners.roster.directory.partners
        lines = [_line(one, waiting, known.get(one.id)) for one in await desks.partners.show_partners() if one.parties]
        return sliced([line for line in lines if _is_wanted(line, asked)], asked)

    return Listing(
        title="Partners",
        intro="The platforms that are connected, and how they are.",
        path=PARTNERS_PATH,
        template="partners.html",
        columns=(
            Column(key="name", label="Partner", value=lambda row: row.name, link=_own_path),
            Column(key="presence", label="Presence", value=lambda row: row.presence, kind="tag", link=_own_path),
            Column(key="state", label="State", value=lambda row: row.state, kind="tag", is_minor=True),
            Column(key="parties", label="Parties", value=lambda row: ", ".join(row.parties), link=_own_path),
            Column(key="heard_at", label="Last heard", value=lambda row: row.heard_at, kind="moment"),
            Column(key="joined_at", label="Joined", value=lambda row: row.joined_at, kind="moment", is_minor=True),
            Column(
                key="quirks",
                label="Quirks",
                value=lambda row: row.quirks,
                kind="number",
                link=lambda row: f"{partner_path(row.id)}#quirks",
            ),
            Column(key="waiting", label="In its lanes", value=lambda row: row.waiting, kind="number", link=_own_path),
        ),
        filters=(
            FilterField(name="text", label="Name or party"),
            FilterField(
                name="presence",
                label="Presence",
                choices=tuple((one, one.lower()) for one in (CONNECTED, OFFLINE, SUSPENDED, PLANNED)),
            ),
            FilterField(
                name="role",
                label="Role",
                choices=tuple((role.value, role.value) for role in Role if role is not Role.HUB),
            ),
        ),
        asked=PartnerFilters,
        read=read,
        empty="Nobody is connected yet: “Invite a partner” makes what they join with.",
    )


def _line(shown: PartnerShown, waiting: dict[str, int], known: Partner | None) -> PartnerLine:
    return PartnerLine(
        id=shown.id,
        name=shown.name,
        state=shown.state,
        presence=presence_of(shown),
        parties=tuple(f"{party.role.value} {party.country_code}/{party.party_id}" for party in shown.parties),
        joined_at=shown.joined_at,
        heard_at=shown.heard_at,
        quirks=len(quirks_set(known.quirks)) if known else 0,
        waiting=sum(waiting.get(name, 0) for name in party_names(shown)),
    )


def _is_wanted(line: PartnerLine, asked: PartnerFilters) -> bool:
    if asked.presence and line.presence != asked.presence:
        return False
    if asked.role and not any(party.startswith(f"{asked.role} ") for party in line.parties):
        return False
    text = (asked.text or "").casefold()
    return text in line.name.casefold() or any(text in party.casefold() for party in line.parties)


def _own_path(row: PartnerLine) -> str | None:
    return partner_path(row.id) if row.state == JOINED else None
