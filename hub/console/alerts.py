"""Alerts: what is open and who takes care of it, what there was, and the rules and channels behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from fastapi import APIRouter, Form, Request, Response

from hub.console.accounts import Permission, Person
from hub.console.alerting import WATCHED, Kind, Rule, read_quiet
from hub.console.alertwatch import AlertsDesk, kept_rule
from hub.console.gate import Forbidden
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.routes import Console, done
from hub.console.telling import ADDRESS_MAX_CHARACTERS, NoAddress
from hub.store.alerts import OPEN_MAX, AlertsAsked, KeptAlert, KeptChannel, OpenCount
from hub.web.decisions import read_place
from hub.web.listing import Filters, Page, page_of
from ocpi_modules.errors import InvalidParameters, UnknownPath

ALERTS_PATH, RULES_PATH = "/console/alerts", "/console/alerts/rules"
NAME_MAX_CHARACTERS = 60
NOTE_MAX_CHARACTERS = 1000
QUIET_MAX_CHARACTERS = 1000
AGAIN_HOURS_MAX = 24 * 7
THRESHOLD_MAX = Decimal(10) ** 12
TEST_TEXT = "This is a test from the page of alerts. Whoever reads it will be told of alerts."

Short = Annotated[str, Form(max_length=100)]
Address = Annotated[str, Form(max_length=ADDRESS_MAX_CHARACTERS)]
QuietText = Annotated[str, Form(max_length=QUIET_MAX_CHARACTERS)]
Hours = Annotated[int, Form(ge=0, le=AGAIN_HOURS_MAX)]
Ids = Annotated[list[int], Form(max_length=100)]


def alerts_routers(console: Console, desk: AlertsDesk) -> list[APIRouter]:
    """The pages of alerts, and what pages ask for by themselves."""
    router = console.router()
    add_listing(router, console, _history(desk))
    _add_acknowledge(router, console, desk)
    _add_rules(router, console, desk)
    _add_channels(router, console, desk)
    _add_channel_deeds(router, console, desk)
    return [router, _badge(console)]


def _badge(console: Console) -> APIRouter:
    live = console.router(is_live=True)

    @live.get("/alerts/badge")
    async def badge(request: Request) -> Response:
        console.person(request)
        return await console.page(request, "alerts_badge.html")

    return live


# --- what is open, and what there was ---


class AlertFilters(Filters):
    """Which alerts are wanted."""

    kind: Kind | None = None
    state: Literal["open", "over"] | None = None

    def asked(self) -> AlertsAsked:
        """The same for the store. Raises InvalidParameters for a cursor that is none."""
        is_open = {"open": True, "over": False}.get(self.state or "")
        return AlertsAsked(kind=self.kind, is_open=is_open, before=read_place(self.after))


def _history(desk: AlertsDesk) -> Listing[KeptAlert, AlertFilters]:
    async def read(asked: AlertFilters) -> Page[KeptAlert]:
        rows = await desk.book.page(asked.asked(), asked.limit + 1)
        return page_of(rows, asked.limit, lambda row: row, lambda row: (str(row.id),))

    async def extra(asked: AlertFilters) -> Mapping[str, Any]:
        opened = await desk.book.page(AlertsAsked(is_open=True), OPEN_MAX)
        told = await desk.book.tellings([one.id for one in opened])
        names = {one.id: one.name for one in await desk.book.channels()}
        return {
            "opened": sorted(opened, key=lambda one: (one.acknowledged_at is not None, -one.id)),
            "told": {
                one.id: [(names[t.channel], t) for t in told if t.alert == one.id and t.channel in names]
                for one in opened
            },
            "watched": WATCHED,
            "has_channels": bool(names),
            "alert_count": OpenCount(len(opened), sum(1 for one in opened if one.acknowledged_at is None)),
        }

    return Listing(
        title="Alerts",
        intro="What is not as it should be. Acknowledge what you take care of: nobody is told of it again.",
        path=ALERTS_PATH,
        template="alerts.html",
        columns=(
            Column(key="raised_at", label="Raised", value=lambda row: row.raised_at, kind="moment"),
            Column(key="kind", label="What", value=lambda row: WATCHED[Kind(row.kind)].title),
            Column(key="said", label="Says", value=lambda row: row.said, link=lambda row: row.path, is_wide=True),
            Column(key="closed_at", label="Over", value=lambda row: row.closed_at, kind="moment"),
            Column(key="acknowledged_by", label="Taken care of by", value=lambda row: row.acknowledged_by),
            Column(key="note", label="Note", value=lambda row: row.note, is_minor=True),
        ),
        filters=(
            FilterField(name="kind", label="What", choices=[(kind.value, one.title) for kind, one in WATCHED.items()]),
            FilterField(name="state", label="State", choices=(("open", "open"), ("over", "over"))),
        ),
        asked=AlertFilters,
        read=read,
        extra=extra,
        empty="There never was an alert. What is one, and who is told, stands under Rules and channels.",
    )


def _add_acknowledge(router: APIRouter, console: Console, desk: AlertsDesk) -> None:
    @router.post("/alerts/{alert_id:int}/acknowledge")
    async def acknowledge(
        request: Request, alert_id: int, note: Annotated[str, Form(max_length=NOTE_MAX_CHARACTERS)] = ""
    ) -> Response:
        person = caring_person(console.person(request))
        if not await desk.book.acknowledge(alert_id, person.name, note.strip(), desk.clock.now()):
            return done(ALERTS_PATH, "It is over, or somebody takes care of it already.", is_good=False)
        await console.gate.note(request, person, "alert_acknowledged", f"alert/{alert_id}", note=note.strip())
        return done(ALERTS_PATH, "You take care of it. Nobody is told of it again until it is over.")


def caring_person(person: Person) -> Person:
    """Somebody who may take care of alerts. Raises Forbidden."""
    if not (person.may(Permission.OPERATE) or person.may(Permission.CLEAR)):
        raise Forbidden(f"{person.shown_name} may not do this: it takes a role that may operate or clear.")
    return person


# --- rules ---


def _add_rules(router: APIRouter, console: Console, desk: AlertsDesk) -> None:
    @router.get("/alerts/rules")
    async def show(request: Request) -> Response:
        console.person(request)
        values = {
            "rules": await desk.rules(),
            "watched": WATCHED,
            "channels": await desk.book.channels(),
            "zones": sorted(available_timezones()),
            "again_max": AGAIN_HOURS_MAX,
        }
        return await console.page(request, "alert_rules.html", values)

    @router.post("/alerts/rules")
    async def put(
        request: Request,
        kind: Annotated[Kind, Form()],
        threshold: Annotated[str, Form(max_length=30)],
        currency: Annotated[str, Form(max_length=3)] = "",
        is_active: Short = "",
        is_urgent: Short = "",
        channels: Ids = [],  # noqa: B006 - the framework's way to say that nothing is chosen
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        rule = Rule(
            kind=kind,
            threshold=read_threshold(threshold),
            currency=read_currency(kind, currency),
            is_active=is_active == "yes",
            is_urgent=is_urgent == "yes",
            channels=frozenset(channels),
        )
        await desk.book.put_rule(kept_rule(rule))
        details = {"threshold": str(rule.threshold), "is_active": rule.is_active, "is_urgent": rule.is_urgent}
        await console.gate.note(request, person, "alert_rule_set", f"{kind.value} {rule.currency}".strip(), **details)
        return done(RULES_PATH, f"{WATCHED[kind].title}: the rule counts from the next look on.")

    @router.post("/alerts/rules/remove")
    async def remove(
        request: Request, kind: Annotated[Kind, Form()], currency: Annotated[str, Form(max_length=3)] = ""
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        await desk.book.drop_rule(kind.value, currency)
        await console.gate.note(request, person, "alert_rule_removed", f"{kind.value} {currency}".strip())
        return done(RULES_PATH, f"{WATCHED[kind].title}: the rule is as the hub begins with.")


def read_threshold(text: str) -> Decimal:
    """A figure above zero. Raises InvalidParameters."""
    try:
        figure = Decimal(text.strip().replace(" ", ""))
    except InvalidOperation as exc:
        raise InvalidParameters("threshold: is no number, like 1500 or 0.5", http_status=400) from exc
    if not (figure.is_finite() and 0 < figure <= THRESHOLD_MAX):
        raise InvalidParameters("threshold: is above 0 and not beyond all measure", http_status=400)
    return figure


def read_currency(kind: Kind, text: str) -> str:
    """The currency of a rule about money, empty for others. Raises InvalidParameters."""
    currency = text.strip().upper()
    if not WATCHED[kind].is_money:
        return ""
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise InvalidParameters("currency: is three letters, like EUR", http_status=400)
    return currency


# --- channels ---


def _add_channels(router: APIRouter, console: Console, desk: AlertsDesk) -> None:
    @router.post("/alerts/channels")
    async def add(
        request: Request,
        name: Short,
        address: Address,
        zone: Short = "UTC",
        quiet: QuietText = "",
        again_hours: Hours = 0,
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        plain = read_channel_form(0, name, zone, quiet, again_hours)
        channel = await with_address(desk, plain, address)
        if not await desk.book.add_channel(channel, desk.clock.now()):
            raise InvalidParameters(f"name: there is a channel {channel.name} already, or too many", http_status=409)
        await console.gate.note(request, person, "alert_channel_made", channel.name, shown=channel.shown)
        return done(RULES_PATH, f"{channel.name} is told from now on. Send a test.")

    @router.post("/alerts/channels/{channel_id:int}")
    async def change(
        request: Request,
        channel_id: int,
        name: Short,
        address: Address = "",
        zone: Short = "UTC",
        quiet: QuietText = "",
        again_hours: Hours = 0,
        is_active: Short = "",
    ) -> Response:
        person = console.person(request, Permission.OPERATE)
        kept = await _channel(desk, channel_id)
        plain = read_channel_form(channel_id, name, zone, quiet, again_hours)
        plain = replace(plain, address_sealed=kept.address_sealed, shown=kept.shown, is_active=is_active == "yes")
        channel = await with_address(desk, plain, address) if address.strip() else plain
        if not await desk.book.change_channel(channel):
            raise InvalidParameters(f"name: there is a channel {channel.name} already", http_status=409)
        await console.gate.note(request, person, "alert_channel_changed", channel.name, is_active=channel.is_active)
        return done(RULES_PATH, f"{channel.name} is changed.")


def _add_channel_deeds(router: APIRouter, console: Console, desk: AlertsDesk) -> None:
    @router.post("/alerts/channels/{channel_id:int}/test")
    async def test(request: Request, channel_id: int) -> Response:
        person = console.person(request, Permission.OPERATE)
        channel = await _channel(desk, channel_id)
        await console.gate.note(request, person, "alert_channel_tested", channel.name)
        said = await desk.send(channel, f"{desk.hub_name}: test", f"{TEST_TEXT}\n{desk.base_url}{ALERTS_PATH}")
        sentence = f"{channel.name} was not told: {said}" if said else f"{channel.name} took the test."
        return done(RULES_PATH, sentence, is_good=not said)

    @router.post("/alerts/channels/{channel_id:int}/remove")
    async def remove(request: Request, channel_id: int) -> Response:
        person = console.person(request, Permission.OPERATE)
        channel = await _channel(desk, channel_id)
        await desk.book.drop_channel(channel_id)
        await console.gate.note(request, person, "alert_channel_removed", channel.name)
        return done(RULES_PATH, f"{channel.name} is told nothing any more.")


async def _channel(desk: AlertsDesk, channel_id: int) -> KeptChannel:
    for one in await desk.book.channels():
        if one.id == channel_id:
            return one
    raise UnknownPath("there is no such channel")


def read_channel_form(channel_id: int, name: str, zone: str, quiet: str, again_hours: int) -> KeptChannel:
    """A channel as it was typed, without its address. Raises InvalidParameters, naming the field."""
    if not 0 < len(name.strip()) <= NAME_MAX_CHARACTERS:
        raise InvalidParameters(f"name: has 1 to {NAME_MAX_CHARACTERS} characters", http_status=400)
    if zone not in available_timezones():
        raise InvalidParameters("zone: is no time zone", http_status=400)
    try:
        read_quiet(quiet)
    except ValueError as exc:
        raise InvalidParameters(f"quiet hours: {exc}", http_status=400) from exc
    return KeptChannel(
        id=channel_id,
        name=name.strip(),
        address_sealed=b"",
        shown="",
        zone=zone,
        quiet="\n".join(line.strip() for line in quiet.splitlines() if line.strip()),
        again_hours=again_hours,
        is_active=True,
    )


async def with_address(desk: AlertsDesk, channel: KeptChannel, text: str) -> KeptChannel:
    """A channel with an address that was typed, sealed. Raises InvalidParameters."""
    try:
        address, shown = await desk.teller.understand(text)
    except NoAddress as exc:
        raise InvalidParameters(f"address: {exc}", http_status=400) from exc
    return replace(channel, address_sealed=desk.safe.seal(address), shown=shown)
