"""Stations: the inbox, logins, presence, statuses (C-T5; wrong clocks, offline replays and two sockets of § 2.7)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hub.chargers import passwords
from hub.chargers.events import (
    Alarm,
    Answered,
    Login,
    Outcome,
    ReadFeatures,
    Refusal,
    SetSecret,
    SetVariables,
    StationState,
    TellStatus,
)
from hub.chargers.logins import WRONG_PER_MINUTE_MAX, Logins
from hub.chargers.stationbook import HERE_EVERY_SECONDS
from hub.store import chargestations
from hub.store.database import Database
from tests.chargers.sitehouse import AFAR, BOOT, LOOPBACK, House, SetClock, depot, plug

SECRET = "a-secret-of-cp-1"
RIGHT = Login("CP-1", SECRET)


async def admit(
    house: House, login: Login | None = RIGHT, identity: str = "CP-1", remote: str = AFAR
) -> Refusal | None:
    return await house.book.admit(identity, login, remote, is_secure=True)


# --- letting in ---


@pytest.mark.parametrize(
    ("login", "refusal"),
    [
        pytest.param(RIGHT, None, id="profile 1 and 2: user and password"),
        pytest.param(Login("CP-1", "a-secret-of-cp-2"), Refusal.WRONG_LOGIN, id="another password"),
        pytest.param(Login("CP-2", SECRET), Refusal.WRONG_LOGIN, id="another user than in the path"),
        pytest.param(Login("CP-1", ""), Refusal.WRONG_LOGIN, id="no password"),
        pytest.param(None, Refusal.NO_LOGIN, id="profile 0"),
        pytest.param(
            Login("CP-1", "", is_certified=True), None, id="profile 3: a certificate that a front has verified"
        ),
        pytest.param(Login("CP-2", "", is_certified=True), Refusal.WRONG_LOGIN, id="a certificate of another station"),
    ],
)
@pytest.mark.parametrize("remote", [AFAR, LOOPBACK])
async def test_a_station_that_is_known_has_to_log_in(
    house: House, login: Login | None, refusal: Refusal | None, remote: str
) -> None:
    """C-T5."""
    await house.furnish()
    assert await admit(house, login, remote=remote) is refusal


async def test_whoever_nobody_knows_is_let_into_the_inbox_and_is_told_to_wait(house: House) -> None:
    assert await admit(house, None, "NEW-1") is None
    assert await admit(house, Login("NEW-2", "whatever"), "NEW-2") is None
    await house.book.connected("NEW-1", "ocpp1.6", "C1")
    answer = await house.book.booted("NEW-1", BOOT)
    assert (answer.state, answer.now) == (StationState.PENDING, house.clock.at)
    seen = await house.office.one("NEW-1")
    assert (seen.station.vendor, seen.station.firmware, seen.station.remote) == ("Volt", "1.2", AFAR)
    assert house.asker.asked == []  # of whom nobody knows nothing is asked


async def test_what_a_station_in_the_inbox_says_of_its_connectors_changes_nothing(house: House) -> None:
    await house.furnish(stations=[])
    await admit(house, None)
    await house.join()
    await house.say(3, "Available")
    assert await house.statuses() == {"1": "UNKNOWN", "2": "UNKNOWN"}
    assert await house.show() == []


async def test_a_station_is_accepted_with_a_secret_that_it_needs_from_then_on(house: House) -> None:
    await admit(house, None)
    secret = await house.office.accept("CP-1", "at the gate")
    assert (await house.book.booted("CP-1", BOOT)).state is StationState.ACCEPTED
    assert await admit(house, None) is Refusal.NO_LOGIN
    assert await admit(house, Login("CP-1", secret)) is None
    assert (await house.office.one("CP-1")).station.note == "at the gate"
    with pytest.raises(LookupError):
        await house.office.accept("CP-1", None)  # that would change the secret of a station that works


async def test_a_station_that_is_rejected_is_not_let_in_and_one_that_is_dropped_knocks_anew(house: House) -> None:
    await house.furnish()
    await house.office.reject("CP-1")
    assert await admit(house) is Refusal.NOT_WELCOME
    assert (await house.book.booted("CP-1", BOOT)).state is StationState.REJECTED
    await house.office.drop("CP-1")
    assert (await house.book.booted("CP-1", BOOT)).state is StationState.REJECTED
    assert await admit(house, None) is None
    assert await house.book.standing("CP-1") is StationState.PENDING


@pytest.mark.parametrize("how", ["reject", "drop"])
async def test_a_station_that_is_kept_out_loses_its_connection_and_what_runs_at_it(house: House, how: str) -> None:
    await house.furnish()
    await house.join()
    await house.book.tell_here()
    assert house.dismissed == []
    await getattr(house.office, how)("CP-1")
    assert (house.dismissed, house.closed) == (["CP-1"], ["CP-1"])
    assert (await house.statuses())["1"] == "UNKNOWN"
    with pytest.raises(LookupError):
        await getattr(house.office, how)("NOBODY")
    assert house.dismissed == ["CP-1"]


@pytest.mark.parametrize("how", ["reject", "drop"])
async def test_a_process_that_was_not_told_dismisses_a_station_at_its_next_round(house: House, how: str) -> None:
    await house.furnish()
    await house.join()
    await getattr(house.stations, how)("CP-1")
    await house.book.tell_here()
    assert house.dismissed == ["CP-1"]


async def test_the_inbox_is_bounded_for_all_and_for_an_address(house: House) -> None:
    most = chargestations.INBOX_PER_REMOTE_MAX_STATIONS
    for number in range(most):
        assert await admit(house, None, f"N-{number}") is None
    assert await admit(house, None, "ONE-MORE") is Refusal.INBOX_FULL
    assert await admit(house, None, "N-0") is None  # who is in it may come again
    for number in range(chargestations.INBOX_MAX_STATIONS - most):
        assert await admit(house, None, f"M-{number}", remote=f"198.51.100.{number % 200}") is None
    assert await admit(house, None, "TOO-MANY", remote="192.0.2.1") is Refusal.INBOX_FULL
    house.clock.later(days=chargestations.INBOX_KEPT_DAYS + 1)
    assert await admit(house, None, "TOO-MANY", remote="192.0.2.1") is None  # old ones make room


async def test_a_password_is_compared_slowly_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.furnish()
    compared: list[str] = []
    is_right = passwords.is_right

    async def slow(password: str, kept: str | None) -> bool:
        compared.append(password)
        return await is_right(password, kept)

    monkeypatch.setattr(passwords, "is_right", slow)
    for _ in range(3):
        assert await admit(house) is None
    assert compared == [SECRET]
    await house.keeper.provision({"stations": [{"identity": "CP-1", "secret": "a-new-secret-of-cp-1"}]})
    assert await admit(house) is Refusal.WRONG_LOGIN  # what was right is not right for ever


async def test_who_guesses_is_not_compared_for_the_rest_of_the_minute(house: House) -> None:
    await house.furnish()
    now = [0.0]
    station = await house.stations.one("CP-1")
    assert station is not None
    logins = Logins(passwords, lambda: now[0])
    for number in range(WRONG_PER_MINUTE_MAX):
        assert (await logins.judge(station, Login("CP-1", f"guess-{number}"), AFAR)).refusal is Refusal.WRONG_LOGIN
    assert (await logins.judge(station, RIGHT, AFAR)).refusal is Refusal.WRONG_LOGIN
    assert (await logins.judge(station, RIGHT, "192.0.2.1")).refusal is None
    now[0] = 60.0
    assert (await logins.judge(station, RIGHT, AFAR)).refusal is None


# --- secrets ---


async def test_a_new_secret_is_sent_and_the_old_one_is_good_until_the_new_one_was_used(house: House) -> None:
    await house.furnish()
    done = await house.office.rotate("CP-1")
    ((identity, asked),) = house.asker.asked
    assert isinstance(asked, SetSecret)
    assert (identity, done.secret) == ("CP-1", None)
    assert await admit(house) is None
    assert await admit(house, Login("CP-1", asked.secret)) is None
    assert await admit(house) is Refusal.WRONG_LOGIN
    assert await admit(house, Login("CP-1", asked.secret)) is None


@pytest.mark.parametrize("answered", [Answered.NOT_CONNECTED, Answered.REJECTED, Answered.TIMEOUT])
async def test_a_secret_that_did_not_surely_arrive_is_shown_to_whoever_has_to_bring_it(
    house: House, answered: Answered
) -> None:
    await house.furnish()
    house.asker.outcome = Outcome(answered)
    done = await house.office.rotate("CP-1")
    assert done.secret is not None
    assert await admit(house) is None
    assert await admit(house, Login("CP-1", done.secret)) is None


async def test_secrets_are_nowhere_as_they_are(house: House) -> None:
    await house.furnish()
    await house.office.rotate("CP-1")
    station = await house.stations.one("CP-1")
    assert station is not None
    assert station.secret_hash.startswith("$argon2id$")
    assert station.next_secret_hash.startswith("$argon2id$")
    await house.book.featured("CP-1", {"AuthorizationKey": SECRET, "SecurityCtrlr.BasicAuthPassword": SECRET, "A": "1"})
    assert await house.office.features("CP-1") == {"A": "1"}


# --- being there ---


async def test_the_newest_of_two_sockets_counts(house: House) -> None:
    """§ 2.7."""
    await house.furnish()
    await house.join(connection="C1")
    await house.join(connection="C2")
    await house.book.disconnected("CP-1", "C1")
    assert (await house.office.one("CP-1")).station.connection == "C2"
    assert await house.book.process_of("CP-1") == "P1"
    await house.book.disconnected("CP-1", "C2")
    assert not (await house.office.one("CP-1")).station.is_connected
    assert await house.book.process_of("CP-1") is None


async def test_a_station_that_is_away_beyond_the_grace_makes_its_evses_unknown_and_heals_when_it_is_back(
    house: House,
) -> None:
    await house.furnish()
    await house.join()
    await house.say(3, "Available")
    await house.show()
    await house.book.disconnected("CP-1", "C1")
    house.clock.later(seconds=119)
    await house.watch.look()
    assert await house.show() == []
    house.clock.later(seconds=2)
    await house.watch.look()
    assert (await house.statuses())["2"] == "UNKNOWN"
    assert await house.show() == ["locations update DEPOT/2"]
    await house.watch.look()
    assert await house.show() == []
    house.clock.later(minutes=10)
    house.asker.asked.clear()
    await house.book.connected("CP-1", "ocpp1.6", "C2")  # and no boot
    assert (await house.statuses())["2"] == "AVAILABLE"
    async with asyncio.timeout(60):
        while ("CP-1", TellStatus()) not in house.asker.asked:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


async def test_a_station_whose_process_was_killed_is_lost_unless_it_comes_back(
    house: House, database: Database
) -> None:
    await house.furnish()
    await house.join()
    await house.say(3, "Available")
    leader = House(database, house.clock, process="P2")
    await leader.keeper.refresh()
    beat = timedelta(seconds=HERE_EVERY_SECONDS)
    for _ in range(20):  # the process says that it holds it
        house.clock.at += beat
        await house.stations.touch({"CP-1": "C1"}, house.clock.now())
        await leader.watch.look()
    assert (await house.statuses())["2"] == "AVAILABLE"
    house.clock.later(seconds=120 + 3 * HERE_EVERY_SECONDS + 1)  # and says it no more
    await leader.watch.look()
    assert (await house.statuses())["2"] == "UNKNOWN"
    await leader.join(connection="C9")
    assert (await house.statuses())["2"] == "AVAILABLE"
    await leader.close()


async def test_a_heartbeat_is_answered_with_the_time(house: House) -> None:
    await house.furnish()
    await house.join()
    house.clock.later(minutes=3)
    assert await house.book.heard("CP-1") == house.clock.at
    assert (await house.office.one("CP-1")).station.heard_at == house.clock.at


async def test_after_boot_a_station_is_told_how_often_to_meter_and_asked_what_it_can(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.chargers.stationbook.AFTER_BOOT_SECONDS", 0.0)
    await house.furnish()
    await house.join()
    async with asyncio.timeout(60):
        while len(house.asker.asked) < 2:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    assert house.asker.asked == [
        ("CP-1", SetVariables({"MeterValueSampleInterval": "60"})),
        ("CP-1", ReadFeatures()),
    ]


async def test_alarms_and_features_of_any_size_are_taken(house: House) -> None:
    await house.furnish()
    await house.book.alarmed("CP-1", Alarm(kind="Tamper\x00" * 100, info="x" * 100_000, is_critical=True))
    await house.book.featured("CP-1", {f"K{n}": "v\x00" * 2_000 for n in range(3_000)})
    features = await house.office.features("CP-1")
    assert len(features) == chargestations.FEATURES_MAX
    assert max(map(len, features.values())) <= chargestations.FEATURE_MAX_CHARACTERS


# --- statuses ---


async def test_a_status_that_is_older_than_what_is_known_changes_nothing(house: House) -> None:
    """An offline replay (§ 2.7)."""
    await house.furnish()
    await house.join()
    await house.say(3, "Charging")
    await house.say(3, "Available", house.clock.at - timedelta(hours=2))
    assert (await house.statuses())["2"] == "CHARGING"
    await house.say(3, "Available", house.clock.later(seconds=1))
    assert (await house.statuses())["2"] == "AVAILABLE"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(timedelta(days=400), id="a clock far ahead"),
        pytest.param(timedelta(days=-9000), id="a clock that began anew"),
    ],
)
async def test_a_wrong_clock_does_not_hold_up_statuses(house: House, wrong: timedelta) -> None:
    await house.furnish()
    await house.join()
    await house.say(3, "Charging", house.clock.at + wrong)
    assert (await house.statuses())["2"] == "CHARGING"
    house.clock.later(seconds=30)
    await house.say(3, "Faulted", house.clock.at + wrong)
    assert (await house.statuses())["2"] == "OUTOFORDER"
    assert (await house.office.one("CP-1")).station.clock_offset_milliseconds == wrong // timedelta(milliseconds=1)
    house.clock.later(seconds=30)
    await house.say(3, "Available")  # its clock was set meanwhile
    assert (await house.statuses())["2"] == "AVAILABLE"
    assert (await house.office.one("CP-1")).station.clock_offset_milliseconds == 0


async def test_connector_0_stands_for_all_evses_of_a_station(house: House) -> None:
    await house.furnish()
    await house.join()
    for number in (1, 2, 3):
        await house.say(number, "Available")
    assert await house.statuses() == {"1": "AVAILABLE", "2": "AVAILABLE"}
    await house.say(0, "Unavailable")
    assert await house.statuses() == {"1": "INOPERATIVE", "2": "INOPERATIVE"}
    await house.say(0, "Available")
    assert await house.statuses() == {"1": "AVAILABLE", "2": "AVAILABLE"}


async def test_staff_block_an_evse_and_let_it_go(house: House) -> None:
    await house.furnish()
    await house.join()
    await house.say(3, "Available")
    await house.office.block("DEPOT", "2", "Otto")
    assert (await house.statuses())["2"] == "BLOCKED"
    await house.office.block("DEPOT", "2", "")
    assert (await house.statuses())["2"] == "AVAILABLE"
    with pytest.raises(LookupError):
        await house.office.block("DEPOT", "77", "Otto")


async def test_a_plug_that_moves_to_another_evse_takes_its_status_with_it(house: House) -> None:
    await house.furnish()
    await house.join()
    await house.say(1, "Charging")
    await house.say(3, "Available")
    assert await house.statuses() == {"1": "CHARGING", "2": "AVAILABLE"}
    evses = [
        {"uid": "1", "connectors": [plug("A", "CP-1", 3)]},
        {"uid": "2", "connectors": [plug("A", "CP-1", 1), plug("B", "CP-1", 2)]},
    ]
    await house.keeper.provision({"sites": [depot(evses=evses)]})
    await house.office.settle(["DEPOT"])
    assert await house.statuses() == {"1": "AVAILABLE", "2": "CHARGING"}


async def test_two_connectors_that_tell_at_two_processes_at_once_come_to_what_both_say(
    house: House, database: Database
) -> None:
    await house.furnish()
    await house.join()
    other = House(database, SetClock(house.clock.at), process="P2")
    await other.keeper.refresh()
    for one, two in [("Charging", "Available"), ("Available", "Available"), ("Available", "Faulted")] * 5:
        house.clock.later(seconds=1)
        other.clock.later(seconds=1)
        await asyncio.gather(house.say(1, one), other.say(2, two))
        assert (await house.statuses())["1"] == {"Charging": "CHARGING"}.get(one, "AVAILABLE")
    await other.close()


async def test_a_station_that_invents_connectors_fills_nothing(house: House) -> None:
    await house.furnish()
    await house.join()
    for number in range(chargestations.CONNECTORS_PER_STATION_MAX + 20):
        await house.say(number, "Available")
    await house.say(10**9, "Available")
    await house.say(-1, "Available")
    seen = await house.office.one("CP-1")
    assert len(seen.connectors) == chargestations.CONNECTORS_PER_STATION_MAX
    await house.say(3, "Charging", house.clock.later(seconds=1))
    assert (await house.statuses())["2"] == "CHARGING"


async def test_where_sites_were_changed_by_somebody_else_the_leader_works_statuses_out_anew(
    house: House, database: Database
) -> None:
    await house.furnish()
    await house.join()
    await house.say(1, "Charging")
    await house.watch.look()
    outside = House(database, house.clock, process="")
    evses = [
        {"uid": "1", "connectors": [plug("A", "CP-1", 3)]},
        {"uid": "2", "connectors": [plug("A", "CP-1", 1), plug("B", "CP-1", 2)]},
    ]
    await outside.keeper.provision({"sites": [depot(evses=evses)]})
    await house.keeper.refresh()
    await house.watch.look()
    assert await house.statuses() == {"1": "UNKNOWN", "2": "CHARGING"}
