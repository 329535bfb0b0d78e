"""Parties: every one in each of its roles, what one of them can see, and the rules on who may talk to whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response
from pydantic import ValidationError

from hub.console.accounts import Permission, Person
from hub.console.listing import Column, FilterField, Listing, add_listing, sliced
from hub.console.matrix import matrix_of
from hub.console.network import NetworkDesks
from hub.console.routes import Console, done, own_path
from hub.partners.directory import Presence
from hub.partners.permissions import Rule
from hub.store.partners import PartyRole
from hub.web.effects import Effects, effects_of, with_rule, without_rule
from hub.web.listing import Filters, Page, Text
from hub.web.terms import PartyListed, PermissionAsked, PermissionShown, write_rule
from ocpi_modules.catalog import FUNCTIONAL
from ocpi_modules.errors import InvalidParameters, OcpiError, UnknownPath
from ocpi_modules.parties import Party, Role

PARTIES_PATH = "/console/parties"
RULES_PATH = f"{PARTIES_PATH}/rules"
EFFECTS_SHOWN_MAX = 200

Short = Annotated[str, Form(max_length=40)]


def parties_router(console: Console, desks: NetworkDesks) -> APIRouter:
    """The pages of parties and rules."""
    router = console.router()
    add_listing(router, console, _parties(desks))
    _add_rules(router, console, desks)
    _add_rule(router, console, desks)
    _add_party(router, console, desks)
    _add_deeds(router, console, desks)
    return router


# --- one party ---


def _add_party(router: APIRouter, console: Console, desks: NetworkDesks) -> None:
    @router.get("/parties/{country_code}/{party_id}")
    async def show(request: Request, country_code: str, party_id: str) -> Response:
        console.person(request)
        party = read_party(f"{country_code}/{party_id}")
        view = await desks.terms.view(party, None)
        listed = await desks.terms.show_parties()
        values = {
            "name": str(party),
            "roles": [one for one in listed if f"{one.country_code}/{one.party_id}" == str(party)],
            "view": view,
            "functional": [module.id for module in FUNCTIONAL],
            "behind": _partner_behind(desks, party),
            "rules": [rule for rule in await desks.terms.show_rules() if str(party) in {rule.one, rule.other}],
        }
        return await console.page(request, "party.html", values)


def _partner_behind(desks: NetworkDesks, party: Party) -> int | None:
    partner = desks.terms.roster.directory.partner_behind(party)
    return partner.id if partner else None


def read_party(text: str) -> Party:
    """A party like ``DE/ABC``. Raises UnknownPath (404)."""
    try:
        return Party.parse(text)
    except ValueError as exc:
        raise UnknownPath("there is no such party") from exc


def _add_deeds(router: APIRouter, console: Console, desks: NetworkDesks) -> None:
    @router.post("/parties/{country_code}/{party_id}/{role}/{deed}")
    async def act(
        request: Request,
        country_code: str,
        party_id: str,
        role: Role,
        deed: str,
        back: Annotated[str, Form(max_length=200)] = "",
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        party = read_party(f"{country_code}/{party_id}")
        sentence = await _done(desks, PartyRole(party, role), deed, person)
        await console.gate.note(request, person, f"party_{deed}", str(party), role=role.value)
        return done(own_path(back or f"{PARTIES_PATH}/{party}"), f"{party} as {role.value} {sentence}")


async def _done(desks: NetworkDesks, role: PartyRole, deed: str, person: Person) -> str:
    """Do something with a party; returns what is said of it. Raises UnknownPath (404)."""
    if deed == "suspend":
        await desks.terms.suspend(role, person.name)
        return "is suspended: it neither speaks nor is spoken to."
    if deed == "resume":
        await desks.terms.resume(role)
        return "takes part again."
    if deed == "accept":
        await desks.terms.accept(role)
        return "is accepted."
    raise UnknownPath("there is no such thing to do")


# --- rules ---


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleForm:
    """A rule as it was typed; empty is anybody, any module, now, or without end. Moments are of the person's zone."""

    one: str = ""
    other: str = ""
    module: str = ""
    allowed: str = "no"
    starts_at: str = ""
    ends_at: str = ""
    note: str = ""


def _add_rules(router: APIRouter, console: Console, desks: NetworkDesks) -> None:
    async def page(
        request: Request,
        form: RuleForm,
        effects: Effects | None,
        sentence: str = "",
        party: str = "",
        status: int = 200,
    ) -> Response:
        directory, now = desks.terms.roster.directory, desks.terms.clock.now()
        rules = await desks.terms.show_rules()
        values = {
            "matrix": matrix_of(directory, directory.permissions.at(now)),
            "rules": [rule for rule in rules if not party or party in {rule.one, rule.other}],
            "party": party,
            "form": form,
            "effects": effects,
            "shown_max": EFFECTS_SHOWN_MAX,
            "sentence": sentence,
            "functional": [module.id for module in FUNCTIONAL],
        }
        return await console.page(request, "rules.html", values, status)

    @router.get("/parties/rules")
    async def show(request: Request, party: str = "", one: str = "", other: str = "") -> Response:
        console.person(request)
        return await page(request, RuleForm(one=one[:10], other=other[:10]), None, party=party[:10].upper())

    @router.post("/parties/rules")
    async def add(
        request: Request,
        one: Short = "",
        other: Short = "",
        module: Short = "",
        allowed: Short = "no",
        starts_at: Short = "",
        ends_at: Short = "",
        note: Annotated[str, Form(max_length=1000)] = "",
        step: Short = "look",
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        form = RuleForm(
            one=one, other=other, module=module, allowed=allowed, starts_at=starts_at, ends_at=ends_at, note=note
        )
        try:
            asked = read_rule(form, person.zone)
            if step != "add":
                return await page(request, form, preview(desks, asked))
            made = await desks.terms.add_rule(asked)
        except OcpiError as refused:
            return await page(request, form, None, refused.message, status=400)
        target = f"rule/{made.id}"
        await console.gate.note(request, person, "rule_made", target, rule=asked.model_dump(mode="json"))
        return done(RULES_PATH, f"Rule {made.id} is made{' and counts now' if made.state == 'GOOD' else ''}.")


def read_rule(form: RuleForm, zone: str) -> PermissionAsked:
    """What the form asks for. Raises InvalidParameters."""
    content = {
        "one": form.one.strip() or None,
        "other": form.other.strip() or None,
        "module": form.module or None,
        "allowed": form.allowed == "yes",
        "starts_at": read_local(form.starts_at, zone),
        "ends_at": read_local(form.ends_at, zone),
        "note": form.note.strip(),
    }
    try:
        return PermissionAsked.model_validate({name: value for name, value in content.items() if value != ""})
    except ValidationError as exc:
        fault = exc.errors()[0]
        raise InvalidParameters(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}", http_status=400) from exc


def read_local(text: str, zone: str) -> datetime | None:
    """A moment of a form (``2026-10-01T08:00``) in a zone, as UTC; None of an empty text. Raises InvalidParameters."""
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise InvalidParameters("a moment is written like 2026-10-01T08:00", http_status=400) from exc


def preview(desks: NetworkDesks, asked: PermissionAsked) -> Effects:
    """What a rule would change when it begins. Raises InvalidParameters for one that could never count."""
    directory = desks.terms.roster.directory
    row = write_rule(asked, desks.terms.clock.now(), directory.hub)
    one, other = (Party.parse(name) if name else None for name in (row.one, row.other))
    rule = Rule(0, one, other, row.module or None, row.is_allowed, row.starts_at, row.ends_at)
    before = directory.permissions.at(row.starts_at)
    return effects_of(directory, rule, before, with_rule(directory.permissions, rule, row.starts_at))


def _add_rule(router: APIRouter, console: Console, desks: NetworkDesks) -> None:
    @router.get("/parties/rules/{rule_id:int}")
    async def show(request: Request, rule_id: int) -> Response:
        console.person(request)
        shown = await _rule(desks, rule_id)
        values = {"rule": shown, "effects": ending(desks, rule_id), "shown_max": EFFECTS_SHOWN_MAX}
        return await console.page(request, "rule.html", values)

    @router.post("/parties/rules/{rule_id:int}/end")
    async def end(request: Request, rule_id: int) -> Response:
        person = console.person(request, Permission.OPERATE)
        await desks.terms.end_rule(rule_id)
        await console.gate.note(request, person, "rule_ended", f"rule/{rule_id}")
        return done(RULES_PATH, f"Rule {rule_id} has ended.")


async def _rule(desks: NetworkDesks, rule_id: int) -> PermissionShown:
    for rule in await desks.terms.show_rules():
        if rule.id == rule_id:
            return rule
    raise UnknownPath("there is no such rule")


def ending(desks: NetworkDesks, rule_id: int) -> Effects:
    """What changes when a rule ends now, or never begins."""
    directory, now = desks.terms.roster.directory, desks.terms.clock.now()
    rule = next((one for one in directory.permissions.rules if one.id == rule_id), None)
    if rule is None:
        return Effects(())
    moment = max(now, rule.starts_at)
    before, after = directory.permissions.at(moment), without_rule(directory.permissions, rule_id, moment)
    return effects_of(directory, rule, before, after)


# --- the list ---


class PartyFilters(Filters):
    """Which parties are wanted."""

    text: Text | None = None
    role: Text | None = None
    status: Text | None = None


def _parties(desks: NetworkDesks) -> Listing[PartyListed, PartyFilters]:
    async def read(asked: PartyFilters) -> Page[PartyListed]:
        return sliced([one for one in await desks.terms.show_parties() if _is_wanted(one, asked)], asked)

    async def extra(_: PartyFilters) -> dict[str, Any]:
        return {"rule_count": len(desks.terms.roster.directory.permissions.rules)}

    return Listing(
        title="Parties",
        intro="Everybody behind the hub, in each role, as hub client info tells it.",
        path=PARTIES_PATH,
        template="parties.html",
        extra=extra,
        columns=(
            Column(key="party", label="Party", value=_name, link=_own_path),
            Column(key="role", label="Role", value=lambda row: row.role.value, link=_filtered_role),
            Column(key="name", label="Name", value=lambda row: row.name),
            Column(key="status", label="Status", value=lambda row: row.status, kind="tag", link=_own_path),
            Column(key="since", label="Since", value=lambda row: row.last_updated, kind="moment"),
            Column(
                key="partner",
                label="Partner",
                value=lambda row: row.partner or "only invited",
                link=lambda row: _partner_path(desks, row),
            ),
            Column(key="suspended_by", label="Suspended by", value=lambda row: row.suspended_by, is_minor=True),
        ),
        filters=(
            FilterField(name="text", label="Party, name or partner"),
            FilterField(
                name="role",
                label="Role",
                choices=tuple((role.value, role.value) for role in Role if role is not Role.HUB),
            ),
            FilterField(name="status", label="Status", choices=tuple((one.value, one.value) for one in Presence)),
        ),
        asked=PartyFilters,
        read=read,
        empty="No party is known yet: they come with the partners that are invited.",
    )


def _is_wanted(one: PartyListed, asked: PartyFilters) -> bool:
    if (asked.role and one.role.value != asked.role) or (asked.status and one.status != asked.status):
        return False
    text = (asked.text or "").casefold()
    return any(text in said.casefold() for said in (_name(one), one.name, one.partner or ""))


def _name(row: PartyListed) -> str:
    return f"{row.country_code}/{row.party_id}"


def _own_path(row: PartyListed) -> str:
    return f"{PARTIES_PATH}/{_name(row)}"


def _filtered_role(row: PartyListed) -> str:
    return f"{PARTIES_PATH}?role={row.role.value}"


def _partner_path(desks: NetworkDesks, row: PartyListed) -> str | None:
    behind = _partner_behind(desks, Party.parse(_name(row)))
    return f"/console/partners/{behind}" if behind else None
