"""Alerts as rows: rules, channels, what was raised, and who was told what; and the figures that nothing else counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from hub.store.decisions import IS_WAITING
from hub.store.direct import Direct
from hub.store.where import where

CHANNELS_MAX = 100
RULES_MAX = 200
OPEN_MAX = 2000
KEPT_DAYS = 400
"""How long alerts stay that are over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRule:
    """As `AlertRuleRow`."""

    kind: str
    currency: str
    threshold: Decimal
    is_active: bool
    is_urgent: bool
    channels: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptChannel:
    """As `AlertChannelRow`."""

    id: int
    name: str
    address_sealed: bytes
    shown: str
    zone: str
    quiet: str
    again_hours: int
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTelling:
    """As `AlertTellingRow`."""

    alert: int
    channel: int
    raised_at: datetime | None
    closed_at: datetime | None
    tried_at: datetime
    failures: int
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlert:
    """Something that is not as it should be, since a moment (UTC)."""

    kind: str
    currency: str
    subject: str
    said: str
    path: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAlert(NewAlert):
    """As `AlertRow`."""

    id: int
    raised_at: datetime
    closed_at: datetime | None
    acknowledged_by: str
    acknowledged_at: datetime | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsAsked:
    """Which alerts are wanted: of a kind, open or over; those before an id."""

    kind: str | None = None
    is_open: bool | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class OpenCount:
    """How many alerts are open, and how many of them nobody acknowledged."""

    total: int = 0
    new: int = 0


class AlertBook:
    """The tables of alerts."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def rules(self) -> list[KeptRule]:
        """The rules that somebody set."""
        return [KeptRule(**row) for row in await self._direct.fetch(_RULES)]

    async def put_rule(self, rule: KeptRule) -> None:
        """Set a rule."""
        values = (rule.kind, rule.currency, rule.threshold, rule.is_active, rule.is_urgent, rule.channels)
        await self._change(_PUT_RULE, *values)

    async def drop_rule(self, kind: str, currency: str) -> bool:
        """Take a rule away; False where there is none."""
        return await self._change(
            "delete from alert_rule where kind = $1 and currency = $2 returning kind", kind, currency
        )

    async def channels(self) -> list[KeptChannel]:
        """All channels, by name."""
        return [KeptChannel(**row) for row in await self._direct.fetch(_CHANNELS)]

    async def add_channel(self, channel: KeptChannel, now: datetime) -> bool:
        """Add a channel (its id is given here); False where there is one of that name, or too many."""
        return await self._change(_ADD_CHANNEL, *_values(channel)[1:], now)

    async def change_channel(self, channel: KeptChannel) -> bool:
        """Change a channel; False where there is none of that id, or another one of that name."""
        return await self._change(_CHANGE_CHANNEL, *_values(channel))

    async def drop_channel(self, channel_id: int) -> bool:
        """Take a channel away, with what it was told."""
        return await self._change("delete from alert_channel where id = $1 returning id", channel_id)

    async def live(self, closed_since: datetime) -> list[KeptAlert]:
        """The alerts that are open, and those that closed at a moment (UTC) or later; the oldest first."""
        rows = await self._direct.fetch(_LIVE, closed_since)
        return [KeptAlert(**row) for row in rows]

    async def tellings(self, alerts: Collection[int]) -> list[KeptTelling]:
        """What channels were told of some alerts."""
        return [KeptTelling(**row) for row in await self._direct.fetch(_TELLINGS, [*alerts])]

    async def apply(
        self, raised: Sequence[NewAlert], changed: Mapping[int, NewAlert], closed: Collection[int], now: datetime
    ) -> None:
        """Raise, change and close alerts, all at once; one that is open already is not raised twice."""
        async with self._direct.transaction() as connection:
            for new in raised:
                values = (new.kind, new.currency, new.subject, new.said, new.path, new.since)
                await connection.execute(_RAISE, *values, now)
            for alert_id, one in changed.items():
                await connection.execute(
                    "update alert set said = $2, path = $3 where id = $1", alert_id, one.said, one.path
                )
            if closed:
                await connection.execute(_CLOSE, [*closed], now)
            await connection.execute("delete from alert where closed_at < $1", now - timedelta(days=KEPT_DAYS))

    async def note(self, tellings: Sequence[KeptTelling]) -> None:
        """Write down what was told; a channel or an alert that is gone is passed over."""
        async with self._direct.transaction() as connection:
            for one in tellings:
                values = (one.alert, one.channel, one.raised_at, one.closed_at, one.tried_at, one.failures, one.said)
                await connection.execute(_NOTE, *values)

    async def acknowledge(self, alert_id: int, name: str, note: str, now: datetime) -> bool:
        """Somebody takes care of an alert; False where it is not open, or somebody does already."""
        return await self._change(_ACKNOWLEDGE, alert_id, name, note, now)

    async def page(self, asked: AlertsAsked, most: int) -> list[KeptAlert]:
        """Alerts, the newest first."""
        condition, values = where(
            [("kind = ?", asked.kind), ("id < ?", asked.before), ("(closed_at is null) = ?", asked.is_open)]
        )
        rows = await self._direct.fetch(f"{_SELECT} {condition} order by id desc limit {int(most)}", *values)
        return [KeptAlert(**row) for row in rows]

    async def count(self) -> OpenCount:
        """How many are open."""
        (row,) = await self._direct.fetch(_COUNT)
        return OpenCount(row["total"], row["new"])

    async def held(self) -> dict[str, tuple[int, Decimal]]:
        """CDRs on hold in periods that are not closed, and what they claim without VAT, by currency."""
        return {row["currency"]: (row["cdrs"], row["amount"]) for row in await self._direct.fetch(_HELD)}

    async def undecided(self) -> tuple[int, datetime | None]:
        """Decisions that wait for a second person, and since when the first does (UTC)."""
        (row,) = await self._direct.fetch(_UNDECIDED)
        return row["count"], row["oldest_at"]

    async def _change(self, statement: str, *values: object) -> bool:
        async with self._direct.transaction() as connection:
            return bool(await connection.fetch(statement, *values))


def _values(channel: KeptChannel) -> tuple[object, ...]:
    return tuple(getattr(channel, name) for name in KeptChannel.__dataclass_fields__)


def _columns(kept: type[KeptRule] | type[KeptChannel] | type[KeptTelling] | type[KeptAlert]) -> str:
    return ", ".join(kept.__dataclass_fields__)


_RULES = f"select {_columns(KeptRule)} from alert_rule order by kind, currency limit {RULES_MAX}"
_PUT_RULE = (
    "insert into alert_rule (kind, currency, threshold, is_active, is_urgent, channels) values ($1, $2, $3, $4, $5, $6) "
    "on conflict (kind, currency) do update set threshold = excluded.threshold, is_active = excluded.is_active, "
    "is_urgent = excluded.is_urgent, channels = excluded.channels returning kind"
)
_CHANNELS = f"select {_columns(KeptChannel)} from alert_channel order by name limit {CHANNELS_MAX}"
_ADD_CHANNEL = (
    "insert into alert_channel (name, address_sealed, shown, zone, quiet, again_hours, is_active, made_at) "
    f"select $1, $2, $3, $4, $5, $6, $7, $8 where (select count(*) from alert_channel) < {CHANNELS_MAX} "
    "on conflict (name) do nothing returning id"
)
_CHANGE_CHANNEL = (
    "update alert_channel set name = $2, address_sealed = $3, shown = $4, zone = $5, quiet = $6, again_hours = $7, is_active = $8 "
    "where id = $1 and not exists (select 1 from alert_channel o where o.name = $2 and o.id <> $1) returning id"
)
_SELECT = f"select {_columns(KeptAlert)} from alert"
_LIVE = f"{_SELECT} where closed_at is null or closed_at >= $1 order by id limit {OPEN_MAX}"
_TELLINGS = f"select {_columns(KeptTelling)} from alert_telling where alert = any($1::bigint[])"
_RAISE = (
    "insert into alert (kind, currency, subject, said, path, since, raised_at, acknowledged_by, note) "
    "values ($1, $2, $3, $4, $5, $6, $7, '', '') on conflict (kind, currency, subject) where closed_at is null do nothing"
)
_CLOSE = "update alert set closed_at = $2 where id = any($1::bigint[]) and closed_at is null"
_NOTE = (
    "insert into alert_telling (alert, channel, raised_at, closed_at, tried_at, failures, said) "
    "select $1, $2, $3, $4, $5, $6, $7 where exists (select 1 from alert where id = $1) "
    "and exists (select 1 from alert_channel where id = $2) "
    "on conflict (alert, channel) do update set raised_at = excluded.raised_at, closed_at = excluded.closed_at, "
    "tried_at = excluded.tried_at, failures = excluded.failures, said = excluded.said"
)
_ACKNOWLEDGE = (
    "update alert set acknowledged_by = $2, note = $3, acknowledged_at = $4 "
    "where id = $1 and closed_at is null and acknowledged_at is null returning id"
)
_COUNT = "select count(*) as total, count(*) filter (where acknowledged_at is null) as new from alert where closed_at is null"
_HELD = (
    "select v.currency, sum(v.cdrs)::bigint as cdrs, sum(v.excl_vat) as amount from verdict_total v join period p on p.id = v.period "
    "where v.disposition = 'HOLD' and v.cdrs > 0 and p.state not in ('closed', 'sealed') group by v.currency"
)
_UNDECIDED = (
    "select count(*) as count, min(case when stands_since is null then decided_at else (select min(known_at) from decision_limit l "
    f"where l.decision = decision.id) end) as oldest_at from decision where {IS_WAITING}"
)
