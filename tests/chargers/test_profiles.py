"""Charging profiles for local sessions (mod_charging_profiles): translated, bounded, and told when they change (L-T5)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.chargers.events import (
    Answered,
    AskSchedule,
    ClearLimit,
    LimitPeriod,
    Outcome,
    Schedule,
    SetLimit,
    Spot,
)
from hub.chargers.profiles import (
    BUCKET_PROFILES,
    PARTNER_STACK_LEVEL,
    PERIODS_MAX,
    REFILL_SECONDS,
    active_profile,
    is_too_often,
    limit_told,
    partner_limit,
    translated,
)
from hub.demo.caller import Heard
from hub.partners.client import join_url
from ocpi_modules.chargingprofiles import ActiveChargingProfile
from ocpi_modules.message import judge_whole
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_json
from tests.chargers.faces import APP_NAMED, Face, plug
from tests.chargers.localworld import LOC, MS1

Object = dict[str, Any]

AT_E1 = plug("CS1", 1, "E1")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
PROFILE: Object = {
    "charging_rate_unit": "W",
    "min_charging_rate": Decimal("1400.0"),
    "charging_profile_period": [
        {"start_period": 0, "limit": Decimal("11000.0")},
        {"start_period": 3600, "limit": Decimal("3680.5")},
    ],
}
SCHEDULE = Schedule(NOON, 3600, "W", (LimitPeriod(0, Decimal("7360.19")), LimitPeriod(1800, Decimal(0))))


async def ask(face: Face, method: str, session_id: str, sender: Party = MS1, **asked: Any) -> tuple[Heard, str]:
    """A request of the module; its answer, and the name of its result."""
    result = f"P{next(face.results)}"
    platform = face.other if sender == Party("BE", "MS2") else face.emsp
    url = platform.callback_url("chargingprofiles", result)
    at = platform.endpoint("chargingprofiles", Interface.RECEIVER)
    query = "" if method == "PUT" else f"response_url={url}&duration={asked.get('duration', 3600)}"
    content = {"charging_profile": asked.get("profile", PROFILE), "response_url": url} if method == "PUT" else None
    heard = await platform.call(method, join_url(at, session_id, query), sender=sender, receiver=LOC, content=content)
    return heard, result


@pytest.fixture
async def charging(face: Face) -> Face:
    """A session goes on."""
    await face.charge("sess-1", AT_E1, APP_NAMED)
    return face


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
@pytest.mark.parametrize(
    ("answered", "told"),
    [
        pytest.param(Answered.ACCEPTED, "ACCEPTED", id="Accepted"),
        pytest.param(Answered.REJECTED, "REJECTED", id="Rejected"),
        pytest.param(Answered.FAILED, "REJECTED", id="CALLERROR"),
        pytest.param(Answered.NOT_SUPPORTED, "REJECTED", id="NotSupported"),
        pytest.param(Answered.TIMEOUT, "REJECTED", id="silence"),
        pytest.param(Answered.NOT_CONNECTED, "REJECTED", id="disconnected meanwhile"),
    ],
)
async def test_what_a_station_answers_is_the_result(charging: Face, method: str, answered: Answered, told: str) -> None:
    """C-T4 for charging profiles."""
    if method == "DELETE":
        _, result = await ask(charging, "PUT", "sess-1")
        assert await charging.result(result) == {"result": "ACCEPTED"}
    schedule = SCHEDULE if answered is Answered.ACCEPTED else None
    for question in (SetLimit, AskSchedule, ClearLimit):
        charging.stations.answers[question] = Outcome(answered, schedule=schedule)
    heard, result = await ask(charging, method, "sess-1")
    assert heard.data == {"result": "ACCEPTED", "timeout": 30}
    assert (await charging.result(result))["result"] == told


async def test_a_profile_is_set_for_the_transaction_below_the_sites_own(charging: Face) -> None:
    _, result = await ask(charging, "PUT", "SESS-1")
    await charging.result(result)
    ((station, question),) = charging.stations.asked
    assert (station, question.spot, question.profile.stack_level) == ("CS1", Spot(0, 1), PARTNER_STACK_LEVEL)
    assert question.transaction.number == question.profile.id - 1_000_000
    kept = await charging.kept.profile("sess-1")
    assert kept is not None
    assert (kept.sender, decode_json(kept.content.encode())) == ("NL/MS1", PROFILE)


async def test_the_active_profile_is_what_the_station_says(charging: Face) -> None:
    """L-T5: a partner's higher profile changes nothing, and the active profile tells the truth."""
    charging.stations.answers[AskSchedule] = Outcome(Answered.ACCEPTED, schedule=SCHEDULE)
    _, result = await ask(charging, "GET", "sess-1", duration=600)
    told = await charging.result(result)
    judge_whole(ActiveChargingProfile, told["profile"])
    assert [one["limit"] for one in told["profile"]["charging_profile"]["charging_profile_period"]] == [
        Decimal("7360.1"),
        Decimal(0),
    ]
    assert charging.stations.asked[-1][1].duration_seconds == 600


@pytest.mark.parametrize(
    ("sender", "session_id", "told"),
    [
        pytest.param(MS1, "sess-9", "UNKNOWN_SESSION", id="no such session"),
        pytest.param(Party("BE", "MS2"), "sess-1", "REJECTED", id="somebody else's session"),
        pytest.param(Party("NL", "SC1"), "sess-1", "ACCEPTED", id="a smart charging provider"),
    ],
)
@pytest.mark.proves("CP-09")
async def test_who_may_set_a_profile(charging: Face, sender: Party, session_id: str, told: str) -> None:
    heard, _ = await ask(charging, "PUT", session_id, sender)
    assert heard.data["result"] == told
    await charging.idle()


async def test_a_station_that_cannot_is_said_at_once(charging: Face) -> None:
    await charging.execute(
        "update charge_station set features = $1", json.dumps({"SupportedFeatureProfiles": "Core,Reservation"})
    )
    heard, _ = await ask(charging, "PUT", "sess-1")
    assert heard.data == {"result": "NOT_SUPPORTED", "timeout": 0}
    await charging.execute("update charge_station set connection = ''")
    heard, _ = await ask(charging, "PUT", "sess-1")
    assert heard.data == {"result": "REJECTED", "timeout": 0}


async def test_a_session_takes_so_many_changes_and_no_more(charging: Face) -> None:
    answers = [(await ask(charging, "PUT", "sess-1"))[0].data["result"] for _ in range(BUCKET_PROFILES + 1)]
    assert answers == ["ACCEPTED"] * BUCKET_PROFILES + ["TOO_OFTEN"]
    heard, _ = await ask(charging, "GET", "sess-1")
    assert heard.data["result"] == "ACCEPTED", "questions have a bucket of their own"
    await charging.idle()


async def test_no_profile_is_none_to_take_away(charging: Face) -> None:
    _, result = await ask(charging, "DELETE", "sess-1")
    assert await charging.result(result) == {"result": "UNKNOWN"}
    assert charging.stations.asked == []


@pytest.mark.proves("CP-08")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"charging_rate_unit": "kW"}, id="a unit that is none"),
        pytest.param({"charging_rate_unit": None}, id="no unit"),
        pytest.param({"charging_profile_period": [{"start_period": 0, "limit": 8.15}]}, id="two decimals"),
        pytest.param({"charging_profile_period": [{"limit": 8.1}]}, id="a period without a start"),
        pytest.param({"min_charging_rate": 6.25}, id="two decimals of the least"),
    ],
)
async def test_a_profile_that_is_none_is_2001(charging: Face, changes: Any) -> None:
    heard, _ = await ask(charging, "PUT", "sess-1", profile={**PROFILE, **changes})
    assert heard.status_code == 2001


@pytest.mark.proves("CP-08")
async def test_a_get_without_a_duration_is_refused(charging: Face) -> None:
    heard, _ = await ask(charging, "GET", "sess-1", duration="soon")
    assert heard.status_code == 2001


# --- what changes later ---------------------------------------------------------------------------


def told_profiles(face: Face) -> list[Any]:
    return [one for one in face.emsp.seen if one.module_id == "chargingprofiles" and one.method == "PUT"]


async def test_who_set_a_profile_is_told_of_changes_once_each(charging: Face) -> None:
    charging.emsp.seen.clear()
    await charging.profiles.changed("sess-1", SCHEDULE)
    assert not told_profiles(charging), "nobody set one"
    _, result = await ask(charging, "PUT", "sess-1")
    await charging.result(result)
    await charging.profiles.changed("sess-1", SCHEDULE)
    await charging.profiles.changed("sess-1", SCHEDULE)
    (seen,) = told_profiles(charging)
    assert (seen.sender, seen.receiver) == (LOC, MS1)
    assert seen.path.endswith("/sender/chargingprofiles/sess-1")
    judge_whole(ActiveChargingProfile, seen.content)


async def test_the_station_is_asked_where_the_caller_does_not_know(charging: Face) -> None:
    charging.emsp.seen.clear()
    _, result = await ask(charging, "PUT", "sess-1")
    await charging.result(result)
    charging.stations.answers[AskSchedule] = Outcome(Answered.ACCEPTED, schedule=SCHEDULE)
    await charging.profiles.changed("sess-1")
    assert len(told_profiles(charging)) == 1


async def test_whoever_leads_looks_whether_profiles_are_what_they_were(charging: Face) -> None:
    """L-T5: the site takes a part for itself, and the active profile says so."""
    charging.emsp.seen.clear()
    _, result = await ask(charging, "PUT", "sess-1")
    await charging.result(result)
    charging.stations.answers[AskSchedule] = Outcome(Answered.ACCEPTED, schedule=SCHEDULE)
    await charging.profiles.tell_changes()
    (seen,) = told_profiles(charging)
    assert seen.content["charging_profile"]["charging_profile_period"][0]["limit"] == Decimal("7360.1")


# --- pure ---


@pytest.mark.parametrize(
    ("changes", "start_at", "duration"),
    [
        pytest.param({}, None, None, id="relative to the start of charging"),
        pytest.param({"start_date_time": "2026-07-01T12:00:00Z", "duration": 7200}, NOON, 7200, id="absolute"),
        pytest.param({"charging_rate_unit": "A"}, None, None, id="amperes, per phase in both protocols"),
    ],
)
def test_a_profile_is_translated(changes: Object, start_at: datetime | None, duration: int | None) -> None:
    made = translated({**PROFILE, **changes}, 7)
    assert made is not None
    assert (made.id, made.purpose, made.unit) == (7, "TRANSACTION", changes.get("charging_rate_unit", "W"))
    assert (made.start_at, made.duration_seconds, made.min_rate) == (start_at, duration, Decimal(1400))
    assert made.periods == (LimitPeriod(0, Decimal(11000)), LimitPeriod(3600, Decimal("3680.5")))


@pytest.mark.parametrize(
    "periods",
    [
        pytest.param([], id="none"),
        pytest.param([{"start_period": 60, "limit": 1}], id="nothing to begin with"),
        pytest.param([{"start_period": 0, "limit": 1}, {"start_period": 0, "limit": 2}], id="two at once"),
        pytest.param([{"start_period": n, "limit": 1} for n in range(PERIODS_MAX + 1)], id="too many"),
    ],
)
def test_what_no_station_could_follow_is_refused(periods: list[Object]) -> None:
    assert translated({**PROFILE, "charging_profile_period": periods}, 7) is None


def test_an_active_profile_never_says_more_than_is() -> None:
    profile = active_profile(SCHEDULE)
    assert b'"limit":7360.1' in encode_json(profile)
    assert profile["start_date_time"] == "2026-07-01T12:00:00Z"


@pytest.mark.parametrize(
    ("changes", "passed_seconds", "began", "limit"),
    [
        pytest.param({"start_date_time": "2026-07-01T12:00:00Z"}, 0, None, ("W", Decimal(11000)), id="at its start"),
        pytest.param({"start_date_time": "2026-07-01T12:00:00Z"}, -1, None, None, id="before its start"),
        pytest.param(
            {"start_date_time": "2026-07-01T12:00:00Z"}, 3600, None, ("W", Decimal("3680.5")), id="the next period"
        ),
        pytest.param(
            {"start_date_time": "2026-07-01T12:00:00Z", "duration": 3600}, 3600, None, None, id="over: no limit"
        ),
        pytest.param({}, 3700, NOON, ("W", Decimal("3680.5")), id="relative to the begin of charging"),
        pytest.param({}, 0, None, None, id="relative to what is not known"),
    ],
)
def test_what_a_partner_allows_at_a_moment(
    changes: Object, passed_seconds: int, began: datetime | None, limit: tuple[str, Decimal] | None
) -> None:
    assert partner_limit({**PROFILE, **changes}, NOON + timedelta(seconds=passed_seconds), began) == limit


@pytest.mark.parametrize(
    ("passed_seconds", "limit"),
    [
        pytest.param(0, Decimal("7360.1"), id="now"),
        pytest.param(1800, Decimal(0), id="as was told for later: no change"),
        pytest.param(9000, Decimal(0), id="beyond what was told: it goes on"),
    ],
)
def test_what_was_told_is_known(passed_seconds: int, limit: Decimal) -> None:
    assert limit_told(active_profile(SCHEDULE), NOON + timedelta(seconds=passed_seconds)) == ("W", limit)


@pytest.mark.parametrize(
    ("ago_seconds", "too_often"),
    [
        pytest.param([], False, id="the first"),
        pytest.param([3, 2, 1], False, id="the last of the bucket"),
        pytest.param([4, 3, 2, 1], True, id="one more"),
        pytest.param([REFILL_SECONDS + 4, 3, 2, 1], False, id="one was gained"),
    ],
)
def test_a_bucket_gains_one_with_time(ago_seconds: list[float], too_often: bool) -> None:
    came = [NOON - timedelta(seconds=one) for one in ago_seconds]
    assert is_too_often(came, NOON) == too_often
