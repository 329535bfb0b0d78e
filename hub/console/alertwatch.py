"""Watching: the process that leads looks every few seconds how things are, raises and closes alerts, and tells people."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from cryptography.exceptions import InvalidTag

from hub.clock import Clock
from hub.console.alerting import (
    END_TOLD_HOURS,
    Alert,
    Channel,
    Condition,
    Failed,
    Kind,
    Letter,
    Month,
    Queue,
    Rule,
    Silent,
    Situation,
    Sum,
    Told,
    after,
    body,
    changes,
    completed,
    conditions,
    letters,
    read_quiet,
    title,
)
from hub.console.live import Fresh
from hub.console.telling import Teller
from hub.partners.directory import Directory, Presence
from hub.settlement.engine.rounds import Rounds
from hub.store.alerts import AlertBook, KeptAlert, KeptChannel, KeptRule, KeptTelling, NewAlert, OpenCount
from hub.store.health import Backlog
from hub.store.periods import KeptPeriod
from hub.store.secrets import Safe
from hub.store.stepfailures import StepFailure

LOOK_SECONDS = 30.0
MISSING_FRESH_SECONDS = 300.0
"""Sessions without a CDR are counted less often: it takes longer, and they become more by the hour."""

COUNT_FRESH_SECONDS = 5.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where one looks how things are; `waiting` are messages by party, `missing` sessions by CPO."""

    directory: Callable[[], Directory]
    waiting: Callable[[], Awaitable[dict[str, int]]]
    missing: Callable[[], Awaitable[dict[str, int]]]
    periods: Callable[[], Awaitable[list[KeptPeriod]]]
    backlog: Callable[[], Awaitable[Backlog]]
    failures: Callable[[], Awaitable[list[StepFailure]]]
    lane_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsDesk:
    """What the pages of alerts read and do their work with; `hub_name` and `base_url` stand in messages."""

    book: AlertBook
    safe: Safe
    teller: Teller
    clock: Clock
    hub_name: str
    base_url: str

    async def rules(self) -> list[Rule]:
        """The rules that count."""
        return completed(map(read_rule, await self.book.rules()))

    async def send(self, channel: KeptChannel, head: str, text: str) -> str:
        """Tell something over a channel; returns why that failed, empty where it was taken."""
        try:
            address = self.safe.open(channel.address_sealed)
        except InvalidTag:
            return "its address is sealed with another key: type it again"
        return await self.teller.tell(address, head, text)


class AlertWatch(Rounds):
    """The rounds of watching, between `start` and `close`."""

    def __init__(self, desk: AlertsDesk, sources: Sources, every_seconds: float) -> None:
        self._desk, self._sources, self._every_seconds = desk, sources, every_seconds
        self._missing = Fresh(sources.missing, MISSING_FRESH_SECONDS)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as exc:  # the database is away, or something is odd: the next round tries again
                _log.exception("alerts_not_looked_at", error=type(exc).__name__)
            await asyncio.sleep(self._every_seconds)

    async def look(self) -> None:
        """Raise and close what is to be raised and closed now, then tell what is to be told."""
        rules = await self._desk.rules()
        await self._raise(rules)
        await self._tell(rules)

    async def _raise(self, rules: Sequence[Rule]) -> None:
        now = self._desk.clock.now()
        opened = [read_alert(one, {}) for one in await self._desk.book.live(now) if one.closed_at is None]
        found = conditions(await self._situation(), rules, {alert.key for alert in opened})
        due = changes(found, opened)
        changed = {alert_id: new_alert(one) for alert_id, one in due.changed.items()}
        await self._desk.book.apply([*map(new_alert, due.raised)], changed, due.closed, now)
        for one in due.raised:
            _log.warning("alert_raised", kind=one.kind.value, subject=one.subject, said=one.said)

    async def _tell(self, rules: Sequence[Rule]) -> None:
        now = self._desk.clock.now()
        kept = await self._desk.book.live(now - timedelta(hours=END_TOLD_HOURS))
        told = told_by_alert(await self._desk.book.tellings([one.id for one in kept]))
        channels = {one.id: one for one in await self._desk.book.channels()}
        alerts = [read_alert(one, told[one.id]) for one in kept]
        due = letters(alerts, rules, map(read_channel, channels.values()), now)
        await asyncio.gather(*(self._send(letter, channels[letter.channel.id]) for letter in due))

    async def _send(self, letter: Letter, channel: KeptChannel) -> None:
        """Tell it, and write down what came of it; a process that ends between the two tells it twice, and never not at all."""
        head, text = title(letter, self._desk.hub_name), body(letter, self._desk.base_url)
        said = await self._desk.send(channel, head, text)
        if said:
            _log.warning("alert_not_told", channel=channel.name, said=said)
        await self._desk.book.note([*tellings_of(letter, said, self._desk.clock)])

    async def _situation(self) -> Situation:
        book, backlog = self._desk.book, await self._sources.backlog()
        undecided = await book.undecided()
        return Situation(
            now=self._desk.clock.now(),
            silent=silent_partners(self._sources.directory()),
            waiting=await self._sources.waiting(),
            lane_max=self._sources.lane_max,
            held={currency: Sum(*held) for currency, held in (await book.held()).items()},
            missing=await self._missing(),
            periods=[Month(one.id, one.closes_at, one.state) for one in await self._sources.periods()],
            failed=[*map(failed_step, await self._sources.failures())],
            unexamined=Queue(backlog.cdrs, backlog.oldest_at),
            undecided=Queue(*undecided),
        )


class Badge:
    """How many alerts are open, for every page: looked up once in a while, and what was known last while the database is away."""

    def __init__(self, book: AlertBook) -> None:
        self._count = Fresh(book.count, COUNT_FRESH_SECONDS)
        self._last = OpenCount()

    async def __call__(self) -> OpenCount:
        """As it was at most COUNT_FRESH_SECONDS ago."""
        try:
            self._last = await self._count()
        except Exception as exc:
            _log.warning("alerts_not_counted", error=type(exc).__name__)
        return self._last


def silent_partners(directory: Directory) -> list[Silent]:
    """The partners that are OFFLINE, and since when."""
    found = defaultdict(list)
    for member in directory.members:
        if member.status is Presence.OFFLINE and member.partner_id in directory.partners:
            found[member.partner_id].append(member)
    return [
        Silent(
            partner_id,
            directory.partners[partner_id].name,
            sorted({str(member.party) for member in members}),
            min(member.last_updated for member in members),
        )
        for partner_id, members in sorted(found.items())
        if partner_id is not None
    ]


def failed_step(kept: StepFailure) -> Failed:
    """A step that failed out of its row."""
    return Failed(kept.period, kept.step, kept.actor, kept.said, kept.failed_at, kept.times)


def tellings_of(letter: Letter, said: str, clock: Clock) -> Iterable[KeptTelling]:
    """What is written down after a try; `said` is why it failed."""
    for news, alert in letter.news:
        told = after(alert.told.get(letter.channel.id, Told()), news, clock.now(), is_taken=not said)
        yield KeptTelling(
            alert=alert.id,
            channel=letter.channel.id,
            raised_at=told.raised_at,
            closed_at=told.closed_at,
            tried_at=told.tried_at or clock.now(),
            failures=told.failures,
            said=said,
        )


def told_by_alert(kept: Iterable[KeptTelling]) -> Mapping[int, dict[int, Told]]:
    """What was told, by alert and channel."""
    made: dict[int, dict[int, Told]] = defaultdict(dict)
    for one in kept:
        made[one.alert][one.channel] = Told(one.raised_at, one.closed_at, one.tried_at, one.failures)
    return made


def read_rule(kept: KeptRule) -> Rule:
    """A rule from its row."""
    return Rule(
        kind=Kind(kept.kind),
        threshold=kept.threshold,
        currency=kept.currency,
        is_active=kept.is_active,
        is_urgent=kept.is_urgent,
        channels=frozenset(map(int, kept.channels.split())),
    )


def kept_rule(rule: Rule) -> KeptRule:
    """A rule as its row."""
    return KeptRule(
        kind=rule.kind.value,
        currency=rule.currency,
        threshold=rule.threshold,
        is_active=rule.is_active,
        is_urgent=rule.is_urgent,
        channels=" ".join(map(str, sorted(rule.channels))),
    )


def read_channel(kept: KeptChannel) -> Channel:
    """A channel from its row."""
    return Channel(
        id=kept.id,
        name=kept.name,
        zone=kept.zone,
        quiet=read_quiet(kept.quiet),
        again_hours=kept.again_hours,
        is_active=kept.is_active,
    )


def read_alert(kept: KeptAlert, told: Mapping[int, Told]) -> Alert:
    """An alert from its row."""
    values = {name: getattr(kept, name) for name in KeptAlert.__dataclass_fields__}
    return Alert(**{**values, "kind": Kind(kept.kind)}, told=told)


def new_alert(condition: Condition) -> NewAlert:
    """What is kept of something that is not as it should be."""
    return NewAlert(
        kind=condition.kind.value,
        currency=condition.currency,
        subject=condition.subject,
        said=condition.said,
        path=condition.path,
        since=condition.since,
    )
