"""What is an alert, and who is told what of it when: every rule, what comes and goes, quiet hours over changes of the clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.console.alerting import (
    FAILURES_MAX,
    WATCHED,
    Alert,
    Channel,
    Failed,
    Kind,
    Month,
    News,
    Queue,
    Quiet,
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

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ON_CALL, OFFICE = 1, 2


def found(kind: Kind, threshold: int, opened: tuple[str, ...] = (), currency: str = "", **how: Any) -> list[str]:
    """What one rule says of how things are; `opened` are the subjects of what is raised."""
    rule = Rule(kind=kind, threshold=Decimal(threshold), currency=currency)
    keys = {(kind.value, currency, subject) for subject in opened}
    return [one.said for one in conditions(Situation(now=NOW, **how), [rule], keys)]


def silent(minutes: int) -> dict[str, Any]:
    parties = ["DE/ABC", "DE/DEF", "DE/GHI", "DE/JKL"]
    return {"silent": [Silent(7, "Nordlicht", parties, NOW - minutes * MINUTE)]}


def failed(times: int) -> dict[str, Any]:
    return {"failed": [Failed("2026-10", "Advise", "Amara", "the database was away", NOW, times)]}


FAILED = "Advise of 2026-10, taken by Amara, came to nothing: the database was away"
OFFLINE = "Nordlicht (DE/ABC, DE/DEF, DE/GHI and 1 more) is OFFLINE: no answer comes from there"
LANE = "80 of at most 100 messages wait for DE/ABC"


@pytest.mark.parametrize(
    ("kind", "threshold", "how", "said"),
    [
        pytest.param(Kind.OFFLINE, 10, silent(10), [OFFLINE], id="a partner that is OFFLINE for long enough"),
        pytest.param(Kind.OFFLINE, 10, silent(9), [], id="one that may be back in a moment"),
        pytest.param(Kind.LANE, 80, {"waiting": {"DE/ABC": 80}, "lane_max": 100}, [LANE], id="a lane at its share"),
        pytest.param(Kind.LANE, 80, {"waiting": {"DE/ABC": 79}, "lane_max": 100}, [], id="a lane below it"),
        pytest.param(
            Kind.MISSING, 5, {"missing": {"A": 2, "B": 2}}, [], id="missing CDRs of all CPOs together: too few"
        ),
        pytest.param(
            Kind.MISSING,
            5,
            {"missing": {"A": 2, "B": 3}},
            ["5 sessions have no CDR, 3 of them of B"],
            id="missing CDRs of all CPOs together",
        ),
        pytest.param(
            Kind.CLOSE,
            72,
            {"periods": [Month("2026-10", NOW - 72 * HOUR, "open"), Month("2026-09", NOW - 800 * HOUR, "netted")]},
            ["2026-10 is past its date and not even cut off", "2026-09 is past its date and only netted"],
            id="periods that nobody closed",
        ),
        pytest.param(
            Kind.CLOSE,
            72,
            {"periods": [Month("2026-10", NOW - 71 * HOUR, "open"), Month("2026-08", NOW - 900 * HOUR, "closed")]},
            [],
            id="a period whose time has not come, and one that is closed",
        ),
        pytest.param(Kind.STEP, 1, failed(1), [FAILED], id="a step that failed while nobody waited for it"),
        pytest.param(Kind.STEP, 2, failed(1), [], id="once, where only twice in a row is an alert"),
        pytest.param(
            Kind.UNEXAMINED,
            15,
            {"unexamined": Queue(3, NOW - 15 * MINUTE)},
            ["3 CDRs wait to be examined"],
            id="old CDRs",
        ),
        pytest.param(Kind.UNEXAMINED, 15, {"unexamined": Queue(9000, NOW - MINUTE)}, [], id="many new CDRs"),
        pytest.param(
            Kind.SECOND,
            24,
            {"undecided": Queue(2, NOW - 24 * HOUR)},
            ["2 decisions wait for a second person"],
            id="a day",
        ),
        pytest.param(Kind.SECOND, 24, {"undecided": Queue(0, None)}, [], id="no decision waits"),
    ],
)
def test_a_rule_speaks_from_its_threshold_on(kind: Kind, threshold: int, how: dict[str, Any], said: list[str]) -> None:
    assert found(kind, threshold, **how) == said


@pytest.mark.parametrize(
    ("amount", "currency", "opened", "speaks"),
    [
        pytest.param("1000", "EUR", (), True, id="at the value"),
        pytest.param("999.99", "EUR", (), False, id="below it"),
        pytest.param("900", "EUR", ("",), True, id="what was raised stays a little below it"),
        pytest.param("899.99", "EUR", ("",), False, id="and clears then"),
        pytest.param("5000", "SEK", (), False, id="another currency has a rule of its own, or none"),
    ],
)
def test_cdrs_on_hold_are_watched_by_currency(
    amount: str, currency: str, opened: tuple[str, ...], speaks: bool
) -> None:
    how = {"held": {currency: Sum(3, Decimal(amount))}}
    assert bool(found(Kind.HELD, 1000, opened, "EUR", **how)) is speaks


def test_a_rule_that_is_switched_off_says_nothing() -> None:
    rule = Rule(kind=Kind.OFFLINE, threshold=Decimal(1), is_active=False)
    assert conditions(Situation(now=NOW, **silent(99)), [rule], set()) == []


def test_every_kind_is_watched_until_somebody_sets_another_rule() -> None:
    assert {rule.kind for rule in completed([])} == {*Kind} == {*WATCHED}
    sek = Rule(kind=Kind.HELD, threshold=Decimal(5), currency="SEK")
    assert [rule for rule in completed([sek]) if rule.kind is Kind.HELD] == [sek]


# --- raised, changed, closed ----------------------------------------------------------------------


def alert(**changed: Any) -> Alert:
    values: dict[str, Any] = {
        "id": 1,
        "kind": Kind.OFFLINE,
        "currency": "",
        "subject": "7",
        "said": OFFLINE,
        "path": "/console/partners/7",
        "since": NOW - HOUR,
        "raised_at": NOW - HOUR,
    }
    return Alert(**{**values, **changed})


def test_what_is_so_is_raised_once_changes_its_words_and_is_closed_when_it_is_over() -> None:
    rule = Rule(kind=Kind.OFFLINE, threshold=Decimal(10))
    (condition,) = conditions(Situation(now=NOW, **silent(60)), [rule], set())
    first = changes([condition], [])
    assert (first.raised, first.changed, first.closed) == ((condition,), {}, ())
    again = changes([condition], [alert()])
    assert (again.raised, again.changed, again.closed) == ((), {}, ())
    renamed = changes([replace(condition, said="another name")], [alert()])
    assert [*renamed.changed] == [1]
    assert changes([], [alert()]).closed == (1,)


# --- who is told ----------------------------------------------------------------------------------

NIGHTS = (Quiet(frozenset(range(7)), 22 * 60, 7 * 60),)
RULE = Rule(kind=Kind.OFFLINE, threshold=Decimal(10))
CHANNEL = Channel(id=ON_CALL, name="on call", again_hours=4)
TOLD = Told(NOW - HOUR)
OVER = {"closed_at": NOW - MINUTE}
CARED = {"acknowledged_at": NOW - MINUTE, "acknowledged_by": "otto"}


@pytest.mark.parametrize(
    ("one", "rule", "channel", "told"),
    [
        pytest.param(alert(), RULE, CHANNEL, [News.RAISED], id="an alert is told"),
        pytest.param(alert(told={ON_CALL: TOLD}), RULE, CHANNEL, [], id="once"),
        pytest.param(alert(told={OFFICE: TOLD}), RULE, CHANNEL, [News.RAISED], id="over each channel"),
        pytest.param(
            alert(told={ON_CALL: Told(NOW - 4 * HOUR)}), RULE, CHANNEL, [News.AGAIN], id="again after a while"
        ),
        pytest.param(
            alert(told={ON_CALL: Told(NOW - 4 * HOUR)}),
            RULE,
            replace(CHANNEL, again_hours=0),
            [],
            id="never again: 0 hours",
        ),
        pytest.param(alert(told={ON_CALL: Told(NOW - 9 * HOUR)}, **CARED), RULE, CHANNEL, [], id="not if acknowledged"),
        pytest.param(alert(**CARED), RULE, CHANNEL, [], id="what was acknowledged before anybody was told"),
        pytest.param(alert(told={ON_CALL: TOLD}, **OVER), RULE, CHANNEL, [News.CLOSED], id="the end is told"),
        pytest.param(
            alert(told={ON_CALL: TOLD}, **OVER, **CARED), RULE, CHANNEL, [News.CLOSED], id="also if acknowledged"
        ),
        pytest.param(alert(**OVER), RULE, CHANNEL, [], id="not to who was not told the beginning"),
        pytest.param(
            alert(told={ON_CALL: Told(NOW - HOUR, NOW)}, **OVER), RULE, CHANNEL, [], id="the end is told once"
        ),
        pytest.param(
            alert(), replace(RULE, channels=frozenset({OFFICE})), CHANNEL, [], id="a rule for another channel"
        ),
        pytest.param(
            alert(told={ON_CALL: TOLD}, **OVER),
            replace(RULE, channels=frozenset({OFFICE})),
            CHANNEL,
            [News.CLOSED],
            id="the end goes to who was told, whatever the rule says now",
        ),
        pytest.param(alert(), RULE, replace(CHANNEL, is_active=False), [], id="a channel that is switched off"),
        pytest.param(alert(), RULE, replace(CHANNEL, quiet=(Quiet(frozenset({3}), 0, 1440),)), [], id="a quiet day"),
        pytest.param(
            alert(),
            replace(RULE, is_urgent=True),
            replace(CHANNEL, quiet=(Quiet(frozenset({3}), 0, 1440),)),
            [News.RAISED],
            id="what is urgent is told in quiet hours",
        ),
        pytest.param(
            alert(told={ON_CALL: Told(None, None, NOW - 59 * timedelta(seconds=1), 1)}),
            RULE,
            CHANNEL,
            [],
            id="failed just now",
        ),
        pytest.param(
            alert(told={ON_CALL: Told(None, None, NOW - MINUTE, 1)}),
            RULE,
            CHANNEL,
            [News.RAISED],
            id="failed a minute ago",
        ),
        pytest.param(
            alert(told={ON_CALL: Told(None, None, NOW - 3 * MINUTE, 3)}), RULE, CHANNEL, [], id="later each time"
        ),
        pytest.param(
            alert(told={ON_CALL: Told(None, None, NOW - 99 * HOUR, FAILURES_MAX)}),
            RULE,
            CHANNEL,
            [],
            id="and not for ever",
        ),
    ],
)
def test_who_is_told_what_now(one: Alert, rule: Rule, channel: Channel, told: list[News]) -> None:
    due = letters([one], [rule], [channel], NOW)
    assert [news for letter in due for news, _ in letter.news] == told


def test_all_news_for_a_channel_are_one_message_in_its_zone() -> None:
    channel = replace(CHANNEL, zone="Europe/Berlin")
    two = [alert(), alert(id=2, subject="8", said="Other (NL/MSP) is OFFLINE", told={ON_CALL: TOLD}, **OVER)]
    (letter,) = letters(two, [RULE], [channel], NOW)
    assert title(letter, "Hub") == "Hub: 1 new, 1 over"
    assert body(letter, "https://hub.example.com").split("\n")[:4] == [
        f"ALERT: {OFFLINE} (since 2026-11-05 12:00 CET)",
        "https://hub.example.com/console/partners/7",
        "",
        "OVER: Other (NL/MSP) is OFFLINE (since 2026-11-05 12:00 CET)",
    ]


def test_what_was_told_is_remembered_and_what_failed_is_counted() -> None:
    failed = after(Told(), News.RAISED, NOW, is_taken=False)
    assert failed == Told(None, None, NOW, 1)
    assert after(failed, News.RAISED, NOW, is_taken=True) == Told(NOW, None, NOW, 0)
    assert after(TOLD, News.CLOSED, NOW, is_taken=True) == Told(NOW - HOUR, NOW, NOW, 0)
    assert after(TOLD, News.AGAIN, NOW, is_taken=True).raised_at == NOW


# --- quiet hours ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "zone", "moment", "is_quiet"),
    [
        pytest.param("daily 22:00-07:00", "Europe/Berlin", "2026-11-05T20:59Z", False, id="winter: a minute before"),
        pytest.param("daily 22:00-07:00", "Europe/Berlin", "2026-11-05T21:00Z", True, id="winter: the first minute"),
        pytest.param("daily 22:00-07:00", "Europe/Berlin", "2026-11-06T05:59Z", True, id="winter: the last minute"),
        pytest.param(
            "daily 22:00-07:00", "Europe/Berlin", "2026-11-06T06:00Z", False, id="winter: the end is not in it"
        ),
        pytest.param(
            "daily 22:00-07:00", "Europe/Berlin", "2026-07-05T20:00Z", True, id="summer: an hour earlier in UTC"
        ),
        pytest.param(
            "daily 22:00-07:00", "Europe/Berlin", "2026-03-29T04:59Z", True, id="spring: 06:59, after the jump"
        ),
        pytest.param(
            "daily 22:00-07:00", "Europe/Berlin", "2026-03-29T05:00Z", False, id="spring: the night is an hour shorter"
        ),
        pytest.param(
            "daily 22:00-07:00", "Europe/Berlin", "2026-10-25T05:59Z", True, id="autumn: the night is an hour longer"
        ),
        pytest.param("daily 22:00-07:00", "Europe/Berlin", "2026-10-25T06:00Z", False, id="autumn: 07:00 by the clock"),
        pytest.param(
            "sun 02:00-03:00", "Europe/Berlin", "2026-10-25T00:30Z", True, id="autumn: 02:30 for the first time"
        ),
        pytest.param(
            "sun 02:00-03:00", "Europe/Berlin", "2026-10-25T01:30Z", True, id="autumn: 02:30 for the second time"
        ),
        pytest.param("sun 02:00-03:00", "Europe/Berlin", "2026-10-25T02:00Z", False, id="autumn: 03:00 comes once"),
        pytest.param("sun 02:00-03:00", "Europe/Berlin", "2026-03-29T01:00Z", False, id="spring: 02:30 never comes"),
        pytest.param("fri 22:00-07:00", "UTC", "2026-11-07T06:00Z", True, id="a night belongs to the day it begins on"),
        pytest.param("fri 22:00-07:00", "UTC", "2026-11-06T06:00Z", False, id="not to the morning of that day"),
        pytest.param("sun 22:00-07:00", "UTC", "2026-11-09T06:00Z", True, id="from Sunday into Monday"),
        pytest.param(
            "sat,sun 00:00-24:00", "Asia/Tokyo", "2026-11-06T15:00Z", True, id="Saturday begins earlier there"
        ),
        pytest.param("sat, sun 00:00-24:00", "Asia/Tokyo", "2026-11-08T15:00Z", False, id="and ends earlier"),
        pytest.param("fri - mon 08:00-09:00", "UTC", "2026-11-08T08:30Z", True, id="days over the end of the week"),
        pytest.param("fri-mon 08:00-09:00", "UTC", "2026-11-10T08:30Z", False, id="not the Tuesday after"),
        pytest.param("", "UTC", "2026-11-10T08:30Z", False, id="no quiet hours"),
        pytest.param("mon 01:00-02:00\n\ntue 08:00-09:00", "UTC", "2026-11-10T08:30Z", True, id="several lines"),
    ],
)
def test_quiet_hours_are_by_the_clock_on_the_wall(hours: str, zone: str, moment: str, is_quiet: bool) -> None:
    channel = Channel(id=1, name="x", zone=zone, quiet=read_quiet(hours))
    assert channel.is_quiet(datetime.fromisoformat(moment)) is is_quiet


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("monday 22:00-07:00", "is no day", id="a day in another word"),
        pytest.param("mon 22-07", "is not written like", id="hours alone"),
        pytest.param("mon 24:30-07:00", "is no time", id="no such hour"),
        pytest.param("mon 22:60-23:00", "is no time", id="no such minute"),
        pytest.param("mon 07:00-07:00", "no minute", id="nothing in it"),
        pytest.param("mon 24:00-07:00", "no minute", id="a beginning at the end of the day"),
        pytest.param("mon 1:00-2:00\n" * 15, "at most 14", id="too many lines"),
    ],
)
def test_quiet_hours_that_cannot_be_read_are_refused_with_a_reason(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_quiet(line)
