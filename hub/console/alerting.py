"""When something is an alert, and who is told what of it now. Pure: functions of how things are, the rules, what is open and the moment.

An alert is raised once, and told once over each channel; again after a while where nobody acknowledged it; and its end is told to
who was told its beginning. In quiet hours of a channel only what is urgent is told, the rest when they are over.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from hub.console import formats

CLEARS_BELOW = Decimal("0.9")
"""What was raised stays until its figure is below this share of the threshold, so that it does not come and go."""

END_TOLD_HOURS = 48
FAILURES_MAX = 12
RETRY_SECONDS, RETRY_SECONDS_MAX = 60, 3600
PARTIES_NAMED_MAX = 3
QUIET_LINES_MAX = 14
DAY_MINUTES = 24 * 60
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_NOT_CLOSED = {"open", "cut_off", "advised", "netted"}


class Kind(StrEnum):
    """What is watched."""

    OFFLINE = "offline"
    LANE = "lane_full"
    HELD = "held"
    MISSING = "missing"
    CLOSE = "overdue_close"
    STEP = "failed_step"
    UNEXAMINED = "unexamined"
    SECOND = "second_person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a kind is to people: its threshold has a unit, and is this one until somebody sets another."""

    title: str
    unit: str
    threshold: Decimal
    is_urgent: bool = False
    is_money: bool = False


WATCHED: Mapping[Kind, Watched] = {
    Kind.OFFLINE: Watched(title="A partner is OFFLINE", unit="minutes", threshold=Decimal(10), is_urgent=True),
    Kind.LANE: Watched(title="A lane is full", unit="% of its room", threshold=Decimal(80), is_urgent=True),
    Kind.HELD: Watched(title="CDRs on hold", unit="", threshold=Decimal(10_000), is_money=True),
    Kind.MISSING: Watched(title="Missing CDRs", unit="sessions", threshold=Decimal(100)),
    Kind.CLOSE: Watched(title="A period is not closed", unit="hours after its date", threshold=Decimal(72)),
    Kind.STEP: Watched(title="A step of a closing failed", unit="times in a row", threshold=Decimal(1)),
    Kind.UNEXAMINED: Watched(title="CDRs wait to be examined", unit="minutes", threshold=Decimal(15)),
    Kind.SECOND: Watched(title="Decisions wait for a second person", unit="hours", threshold=Decimal(24)),
}
DEFAULT_CURRENCY = "EUR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When something is an alert, and over which channels it is told; none is all of them."""

    kind: Kind
    threshold: Decimal
    currency: str = ""
    is_active: bool = True
    is_urgent: bool = False
    channels: frozenset[int] = frozenset()

    @property
    def key(self) -> tuple[str, str]:
        """What tells rules apart."""
        return self.kind.value, self.currency


# --- how things are -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Silent:
    """A partner that is OFFLINE since a moment (UTC), with its parties."""

    partner_id: int
    name: str
    parties: Sequence[str]
    since: datetime


@dataclass(frozen=True, slots=True)
class Sum:
    """CDRs, and what they claim without VAT."""

    cdrs: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Month:
    """A period with its date (UTC) and how far it is."""

    id: str
    closes_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A step of a period that came to nothing while nobody waited for it, the last time at a moment (UTC)."""

    period: str
    step: str
    actor: str
    said: str
    at: datetime
    times: int


@dataclass(frozen=True, slots=True)
class Queue:
    """How many wait, and since when the first does (UTC)."""

    count: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """How things are at a moment (UTC): what rules look at. `missing` counts sessions by CPO, `waiting` messages by party."""

    now: datetime
    silent: Sequence[Silent] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)
    lane_max: int = 1
    held: Mapping[str, Sum] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    periods: Sequence[Month] = ()
    failed: Sequence[Failed] = ()
    unexamined: Queue = Queue(0, None)
    undecided: Queue = Queue(0, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is not as it should be, since a moment (UTC); `path` is where one looks."""

    kind: Kind
    currency: str = ""
    subject: str = ""
    said: str
    path: str
    since: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells alerts apart that are open at the same time."""
        return self.kind.value, self.currency, self.subject


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel was told of an alert and when (UTC), and how often in a row telling it failed."""

    raised_at: datetime | None = None
    closed_at: datetime | None = None
    tried_at: datetime | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert as it is kept; `told` is by channel. Moments are UTC."""

    id: int
    kind: Kind
    currency: str
    subject: str
    said: str
    path: str
    since: datetime
    raised_at: datetime
    closed_at: datetime | None = None
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    note: str = ""
    told: Mapping[int, Told] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """As `Condition.key`."""
        return self.kind.value, self.currency, self.subject


def conditions(
    situation: Situation, rules: Iterable[Rule], opened: Collection[tuple[str, str, str]]
) -> list[Condition]:
    """What is not as it should be; `opened` are the keys of what is raised, which clears a little below its threshold."""
    return [one for rule in rules if rule.is_active for one in _LOOKS[rule.kind](situation, rule, opened)]


def _silent(at: Situation, rule: Rule, opened: Collection[tuple[str, str, str]]) -> Iterator[Condition]:
    for one in at.silent:
        if at.now - one.since >= _span(rule, "minutes"):
            said = f"{one.name} ({_named(one.parties)}) is OFFLINE: no answer comes from there"
            path = f"/console/partners/{one.partner_id}"
            yield Condition(kind=rule.kind, subject=str(one.partner_id), said=said, path=path, since=one.since)


def _full(at: Situation, rule: Rule, opened: Collection[tuple[str, str, str]]) -> Iterator[Condition]:
    for party, count in sorted(at.waiting.items()):
        if _is_over(Decimal(100 * count) / at.lane_max, rule, (rule.kind.value, "", party) in opened):
            said = f"{formats.number(count)} of at most {formats.number(at.lane_max)} messages wait for {party}"
            yield Condition(kind=rule.kind, subject=party, said=said, path=f"/console/parties/{party}", since=at.now)


def _held(at: Situation, rule: Rule, opened: Collection[tuple[str, str, str]]) -> Iterator[Condition]:
    held = at.held.get(rule.currency)
    if held and _is_over(held.amount, rule, (rule.kind.value, rule.currency, "") in opened):
        said = f"{formats.many(held.cdrs, 'CDR is', 'CDRs are')} on hold: {formats.money(held.amount, rule.currency)}"
        yield Condition(
            kind=rule.kind, currency=rule.currency, said=said, path="/console/cdrs?disposition=HOLD", since=at.now
        )


def _missing(at: Situation, rule: Rule, opened: Collection[tuple[str, str, str]]) -> Iterator[Condition]:
    total = sum(at.missing.values())
    if total and _is_over(Decimal(total), rule, (rule.kind.value, "", "") in opened):
        worst = max(sorted(at.missing), key=lambda name: at.missing[name])
        said = f"{formats.many(total, 'session has', 'sessions have')} no CDR, {formats.number(at.missing[worst])} of them of {worst}"
        yield Condition(kind=rule.kind, said=said, path="/console/missing", since=at.now)


def _overdue(at: Situation, rule: Rule, opened: Collection[tuple[str, str, str]]) -> Iterator[Condition]:
    for one in at.periods:
        if one.state in _NOT_CLOSED and at.now - one.closes_at >= _span(rule, "hours"):
            state = "not even cut off" if one.state == "open" else f"only {one.state.replace('_', ' ')}"
            said = f"{one.id} is past its date and {state}"
            path = f"/console/periods/{one.id}"
            yield Condition(kind=rule.kind, subject=one.id, said=said, path=path, since=one.closes_at)


def _failed(at: Situation, rule: Rule, opened: Collection[tuple[str, str, str]]) -> Iterator[Condition]:
    for one in at.failed:
        if one.times >= rule.threshold:
            said = f"{one.step} of {one.period}, taken by {one.actor}, came to nothing: {one.said}"
            yield Condition(
                kind=rule.kind, subject=one.period, said=said, path=f"/console/periods/{one.period}", since=one.at
            )


def _unexamined(at: Situation, rule: Rule, opened: Collection[tuple[str, str, str]]) -> Iterator[Condition]:
    since = at.unexamined.oldest_at
    if since is not None and at.now - since >= _span(rule, "minutes"):
        said = f"{formats.many(at.unexamined.count, 'CDR waits', 'CDRs wait')} to be examined"
        yield Condition(kind=rule.kind, said=said, path="/console/health", since=since)


def _undecided(at: Situation, rule: Rule, opened: Collection[tuple[str, str, str]]) -> Iterator[Condition]:
    since = at.undecided.oldest_at
    if since is not None and at.now - since >= _span(rule, "hours"):
        said = f"{formats.many(at.undecided.count, 'decision waits', 'decisions wait')} for a second person"
        yield Condition(kind=rule.kind, said=said, path="/console/decisions?state=waiting", since=since)


_LOOKS = {
    Kind.OFFLINE: _silent,
    Kind.LANE: _full,
    Kind.HELD: _held,
    Kind.MISSING: _missing,
    Kind.CLOSE: _overdue,
    Kind.STEP: _failed,
    Kind.UNEXAMINED: _unexamined,
    Kind.SECOND: _undecided,
}


def _is_over(figure: Decimal, rule: Rule, is_open: bool) -> bool:
    return figure >= (rule.threshold * CLEARS_BELOW if is_open else rule.threshold)


def _span(rule: Rule, unit: str) -> timedelta:
    return timedelta(**{unit: float(rule.threshold)})


def _named(names: Sequence[str]) -> str:
    more = len(names) - PARTIES_NAMED_MAX
    return ", ".join(names[:PARTIES_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


# --- what is raised and closed --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be raised, what of it is open already and says something else now, and what is over (ids)."""

    raised: tuple[Condition, ...]
    changed: Mapping[int, Condition]
    closed: tuple[int, ...]


def changes(found: Sequence[Condition], opened: Sequence[Alert]) -> Changes:
    """From what is open to what is so."""
    by_key = {alert.key: alert for alert in opened}
    now_so = {one.key: one for one in found}
    return Changes(
        raised=tuple(one for key, one in now_so.items() if key not in by_key),
        changed={
            alert.id: now_so[key]
            for key, alert in by_key.items()
            if key in now_so and (now_so[key].said, now_so[key].path) != (alert.said, alert.path)
        },
        closed=tuple(alert.id for key, alert in by_key.items() if key not in now_so),
    )


# --- who is told what -----------------------------------------------------------------------------


class News(StrEnum):
    """What is told of an alert."""

    RAISED = "raised"
    AGAIN = "again"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Minutes of the day, from one before another, on days on which they begin (0 is Monday); over midnight where the end is not later."""

    days: frozenset[int]
    start: int
    end: int

    def has(self, day: int, minute: int) -> bool:
        """Whether a minute of a day is in it."""
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Who is told: quiet hours are by the clock of a zone. What nobody acknowledged is told again after hours, never for 0."""

    id: int
    name: str
    zone: str = "UTC"
    quiet: tuple[Quiet, ...] = ()
    again_hours: int = 0
    is_active: bool = True

    def is_quiet(self, now: datetime) -> bool:
        """Whether it is a quiet hour by the clock of its zone: in the night of a change of the clock too."""
        local = now.astimezone(ZoneInfo(self.zone))
        return any(one.has(local.weekday(), local.hour * 60 + local.minute) for one in self.quiet)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a channel is to be told now: all of it in one message."""

    channel: Channel
    news: tuple[tuple[News, Alert], ...]


def letters(alerts: Sequence[Alert], rules: Iterable[Rule], channels: Iterable[Channel], now: datetime) -> list[Letter]:
    """What is to be told now of alerts that are open, or closed less than END_TOLD_HOURS ago."""
    by_key = {rule.key: rule for rule in rules}
    made = [Letter(channel, tuple(_news(channel, alerts, by_key, now))) for channel in channels if channel.is_active]
    return [letter for letter in made if letter.news]


def _news(
    channel: Channel, alerts: Sequence[Alert], rules: Mapping[tuple[str, str], Rule], now: datetime
) -> Iterator[tuple[News, Alert]]:
    is_quiet = channel.is_quiet(now)
    for alert in alerts:
        rule = rules.get((alert.kind.value, alert.currency))
        if is_quiet and not (rule and rule.is_urgent):
            continue
        told = alert.told.get(channel.id, Told())
        is_meant = not (rule and rule.channels) or channel.id in rule.channels
        if (is_meant or told.raised_at) and _may_try(told, now) and (news := _due(alert, told, channel, now)):
            yield news, alert


def _due(alert: Alert, told: Told, channel: Channel, now: datetime) -> News | None:
    if alert.closed_at is not None:
        return News.CLOSED if told.raised_at and not told.closed_at else None
    if alert.acknowledged_at is not None:
        return None
    if told.raised_at is None:
        return News.RAISED
    is_time = channel.again_hours and now - told.raised_at >= timedelta(hours=channel.again_hours)
    return News.AGAIN if is_time else None


def _may_try(told: Told, now: datetime) -> bool:
    """What failed is tried again, later each time, FAILURES_MAX times."""
    if told.failures >= FAILURES_MAX:
        return False
    if not told.failures or told.tried_at is None:
        return True
    return now - told.tried_at >= timedelta(seconds=min(RETRY_SECONDS * 2 ** (told.failures - 1), RETRY_SECONDS_MAX))


def after(told: Told, news: News, now: datetime, *, is_taken: bool) -> Told:
    """What a channel was told, after another try."""
    if not is_taken:
        return Told(told.raised_at, told.closed_at, now, told.failures + 1)
    if news is News.CLOSED:
        return Told(told.raised_at, now, now)
    return Told(now, told.closed_at, now)


# --- words ----------------------------------------------------------------------------------------


def title(letter: Letter, hub_name: str) -> str:
    """The head of a message."""
    counts = {news: sum(1 for one, _ in letter.news if one is news) for news in News}
    words = {News.RAISED: "new", News.AGAIN: "not acknowledged", News.CLOSED: "over"}
    return f"{hub_name}: " + ", ".join(f"{count} {words[news]}" for news, count in counts.items() if count)


def body(letter: Letter, base_url: str) -> str:
    """The text of a message: a paragraph for each alert, with where to look; times in the channel's zone."""
    words = {News.RAISED: "ALERT", News.AGAIN: "STILL", News.CLOSED: "OVER"}
    lines = [
        f"{words[news]}: {alert.said} (since {formats.moment(alert.since, letter.channel.zone)})\n{base_url}{alert.path}"
        for news, alert in letter.news
    ]
    return "\n\n".join([*lines, f"Acknowledge: {base_url}/console/alerts"])


_QUIET = re.compile(r"([a-z, -]+?)\s+(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})").fullmatch


def read_quiet(text: str) -> tuple[Quiet, ...]:
    """Quiet hours, a line each, like ``mon-fri 22:00-07:00``, ``sat, sun 00:00-24:00`` or ``daily 22:00-07:00``. Raises ValueError."""
    lines = [line.strip().casefold() for line in text.splitlines() if line.strip()]
    if len(lines) > QUIET_LINES_MAX:
        raise ValueError(f"quiet hours have at most {QUIET_LINES_MAX} lines")
    return tuple(map(_read_line, lines))


def _read_line(line: str) -> Quiet:
    found = _QUIET(line)
    if found is None:
        raise ValueError(f"{line!r} is not written like mon-fri 22:00-07:00")
    start, end = _minute(found[2], found[3]), _minute(found[4], found[5])
    if start in (DAY_MINUTES, end):
        raise ValueError(f"{line!r} has no minute in it; a whole day is 00:00-24:00")
    return Quiet(_read_days(found[1]), start, end)


def _minute(hour: str, minute: str) -> int:
    at = int(hour) * 60 + int(minute)
    if int(minute) > 59 or at > DAY_MINUTES:
        raise ValueError(f"{hour}:{minute} is no time of the day")
    return at


def _read_days(text: str) -> frozenset[int]:
    if text.strip() == "daily":
        return frozenset(range(7))
    return frozenset(
        day for part in re.split(r"[,\s]+", re.sub(r"\s*-\s*", "-", text.strip())) for day in _span_of_days(part)
    )


def _span_of_days(text: str) -> Iterator[int]:
    first, _, last = text.partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise ValueError(f"{text!r} is no day: days are {', '.join(DAYS)}, or daily")
    start = DAYS.index(first)
    yield from ((start + step) % 7 for step in range((DAYS.index(last or first) - start) % 7 + 1))


def completed(kept: Iterable[Rule]) -> list[Rule]:
    """The rules that count: those that were set, and for every other kind the one that the hub begins with."""
    rules = {rule.key: rule for rule in kept}
    kinds = {rule.kind for rule in rules.values()}
    for kind, watched in WATCHED.items():
        if kind not in kinds:
            currency = DEFAULT_CURRENCY if watched.is_money else ""
            rule = Rule(kind=kind, threshold=watched.threshold, currency=currency, is_urgent=watched.is_urgent)
            rules[rule.key] = rule
    order = [*WATCHED]
    return sorted(rules.values(), key=lambda rule: (order.index(rule.kind), rule.currency))
