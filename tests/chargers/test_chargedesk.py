"""Charges in the database: told twice, late, in pieces, and by a hub that dies in between; and what partners are told of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.chargers import charging, settling
from hub.chargers.chargedesk import ChargeDesk, DeskPorts
from hub.chargers.closing import Decision
from hub.chargers.events import (
    IdToken,
    Metered,
    MeterValue,
    Permit,
    PermitStatus,
    Sample,
    SignedValue,
    Spot,
    Started,
    StatusTold,
    Stopped,
    TransactionRef,
)
from hub.chargers.places import Place, SiteBook
from hub.chargers.reporting import PUSH_EVERY_SECONDS, SAID_NOTHING_MAX_HOURS, Reporting
from hub.chargers.rests import REST_MAX_SECONDS
from hub.commands.erase import read_token, run_erase
from hub.store.aliases import is_erased
from hub.store.charges import Charge, Charges, ChargeState
from hub.store.database import Database
from hub.store.forgetting import Forgetting
from ocpi_modules.errors import ReceiverNotConnected
from ocpi_modules.message import Reply
from ocpi_modules.module import Module, Purpose
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_json
from tests.chargers.charges import (
    GRANTED,
    NOW,
    PARTY,
    PER_KWH,
    STATION,
    TOKEN,
    at,
    book,
    flags_of,
    readings,
    started,
    stopped,
    volumes,
    wh,
)
from tests.pricing.build import component, element, tariff
from tests.settlement.test_settler import StandingClock

D = Decimal


class Killed(BaseException):
    """The hub was ended by SIGKILL."""


@dataclass
class Partners:
    """The way out, and what came out of it. `dies_after`: the hub is killed when something was pushed."""

    party: Party = PARTY
    said: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    dies_after: set[str] = field(default_factory=set)

    async def push(self, module: Module, purpose: Purpose, ids: tuple[str, ...], content: Mapping[str, Any]) -> Reply:
        if module.id in self.refuses:
            raise ReceiverNotConnected("nobody is there")
        self.said.append((module.id, purpose.name, decode_json(encode_json(dict(content)))))
        if module.id in self.dies_after:
            raise Killed
        return Reply()

    def cdrs(self) -> list[dict[str, Any]]:
        """The CDRs as a receiver has them: the same one again is the same one."""
        found = {one["id"]: one for module, _, one in self.said if module == "cdrs"}
        assert all(one == found[one["id"]] for module, _, one in self.said if module == "cdrs")
        return list(found.values())

    def session(self) -> dict[str, Any]:
        """The one Session as a receiver has it."""
        made: dict[str, Any] = {}
        for module, purpose, content in self.said:
            if module == "sessions":
                made = content if purpose == "REPLACE" else {**made, **content}
        return made

    def purposes(self, module: str) -> list[str]:
        return [purpose for name, purpose, _ in self.said if name == module]


class Cards:
    """Knows one card, and counts how often somebody asks."""

    def __init__(self, permit: Permit = GRANTED) -> None:
        self.permit, self.asked = permit, 0
        self.is_elsewhere = False
        """Whether the card charges at another station."""

    async def recognise(
        self, identity: str, token: IdToken | None, place: Place | None, remote_start: int | None
    ) -> Permit:
        self.asked += 1
        known = token is not None and token.uid == "TAG1"
        return self.permit if known else Permit(status=PermitStatus.INVALID)

    async def alone(self, identity: str, permit: Permit) -> Permit:
        return replace(permit, status=PermitStatus.CONCURRENT) if self.is_elsewhere else permit


class House:
    """A desk and a leader over one database; a new one is what is there after a restart."""

    def __init__(self, database: Database, partners: Partners, sites: SiteBook | None = None) -> None:
        self.clock, self.cards, self.partners = StandingClock(), Cards(), partners
        self.clock.moment = NOW
        self.sites = book(PER_KWH) if sites is None else sites
        self.charges = Charges(database.direct)
        self.hints = 0
        self.desk = ChargeDesk(
            DeskPorts(
                charges=self.charges,
                authoriser=self.cards,
                book=lambda: self.sites,
                clock=self.clock,
                party=PARTY,
                hint=self._hint,
            )
        )
        self.reporting = Reporting(self.charges, partners, self.clock)

    def _hint(self) -> None:
        self.hints += 1

    async def say(self, *messages: Started | Metered | Stopped) -> None:
        """What a station says, one after the other."""
        for message in messages:
            if isinstance(message, Started):
                await self.desk.started(STATION, message)
            elif isinstance(message, Metered):
                await self.desk.metered(STATION, message)
            else:
                await self.desk.stopped(STATION, message)

    async def all(self) -> list[Charge]:
        """Every charge, the oldest first."""
        return list(reversed(await self.charges.page(None, 0, 100)))

    async def one(self) -> Charge:
        """The only charge."""
        (charge,) = await self.all()
        return charge

    def later(self, seconds: float) -> None:
        """Time passes."""
        self.clock.moment += timedelta(seconds=seconds)


def of(number: int, *messages: Any) -> list[Any]:
    """Messages that name a transaction by its number."""
    return [replace(one, transaction=TransactionRef(number)) for one in messages]


CHARGE: list[Any] = [started(), readings(wh(20, 5000)), readings(wh(40, 9000)), stopped()]


async def test_a_charge_is_told_as_a_session_and_one_cdr(database: Database) -> None:
    """C-T1, the part from the station on."""
    partners = Partners()
    house = House(database, partners)
    answer = await house.desk.started(STATION, started())
    assert answer.permit.is_granted
    await house.reporting.step()
    assert (partners.session()["status"], partners.session()["kwh"]) == ("ACTIVE", 0)
    await house.say(*of(answer.number, *CHARGE[1:]))
    await house.reporting.step()
    (cdr,) = partners.cdrs()
    assert (D(cdr["total_energy"]), cdr["total_cost"]["excl_vat"]) == (D(10), D(3))
    assert cdr["session_id"] == partners.session()["id"]
    assert (partners.session()["status"], D(partners.session()["kwh"])) == ("COMPLETED", D(10))
    assert [name for name, _, _ in partners.said] == ["sessions", "sessions", "cdrs"]
    assert house.hints == 4
    await house.reporting.step()
    assert len(partners.said) == 3, "what was told is not told again"


async def test_a_begin_that_is_told_again_gets_the_same_number_and_asks_nobody(database: Database) -> None:
    house = House(database, Partners())
    first = await house.desk.started(STATION, started())
    again = await House(database, Partners()).desk.started(STATION, started())
    third = await house.desk.started(STATION, started())
    assert first == again == third
    assert first.permit.token == TOKEN
    assert house.cards.asked == 1
    assert len(await house.all()) == 1


async def test_all_of_a_charge_may_be_replayed_after_it_was_billed(database: Database) -> None:
    """C-T3: hours later, out of the queue of a station that was cut off, by a hub that was started anew."""
    partners = Partners()
    house = House(database, partners)
    await house.say(*CHARGE)
    await house.reporting.step()
    after = House(database, partners)
    after.later(7200)
    await after.say(*CHARGE)
    await after.say(*CHARGE)
    await after.reporting.step()
    assert len(partners.cdrs()) == 1
    assert len(await after.all()) == 1


STEPS = ("change", "find", "readings", "due", "untold", "mark_told", "mark_cdr_told")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("is_before", [pytest.param(True, id="before"), pytest.param(False, id="after")])
async def test_a_hub_that_is_killed_at_any_step_leaves_exactly_one_cdr(
    database: Database, step: str, is_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C-T3: killed at each call of the store in turn, and everything is told again."""
    partners, kills = Partners(), 0
    while True:
        house = House(database, partners)
        calls = _die_at(monkeypatch, house.charges, step, kills, is_before=is_before)
        try:
            for message in CHARGE:
                await house.say(message)
                await house.reporting.step()
            break
        except Killed:
            kills += 1
        finally:
            calls.clear()
    assert kills > 0
    (cdr,) = partners.cdrs()
    assert D(cdr["total_energy"]) == 10
    assert (await house.one()).is_cdr_told


def _die_at(
    monkeypatch: pytest.MonkeyPatch, charges: Charges, step: str, survived: int, *, is_before: bool
) -> list[int]:
    """Let a call of the store be the last one, when it was survived so many times."""
    real: Callable[..., Awaitable[Any]] = getattr(charges, step)
    calls: list[int] = []

    async def call(*args: Any) -> Any:
        calls.append(1)
        is_last = len(calls) == survived + 1
        if is_last and is_before:
            raise Killed
        found = await real(*args)
        if is_last:
            raise Killed
        return found

    monkeypatch.setattr(charges, step, call)
    return calls


@pytest.mark.parametrize("module", ["sessions", "cdrs"])
async def test_a_hub_that_is_killed_between_push_and_mark_tells_the_very_same_again(
    database: Database, module: str
) -> None:
    """C-T3: the hub that is there afterwards says nothing new."""
    partners = Partners(dies_after={module})
    house = House(database, partners)
    await house.say(*CHARGE)
    with pytest.raises(Killed):
        await house.reporting.step()
    partners.dies_after.clear()
    after = House(database, partners)
    after.later(100)
    await after.reporting.step()
    assert len(partners.cdrs()) == 1
    assert partners.purposes(module) == ["ADD" if module == "cdrs" else "REPLACE"] * 2


async def test_a_session_is_told_at_most_once_a_minute_while_it_goes_on(database: Database) -> None:
    partners = Partners()
    house = House(database, partners)
    await house.say(started())
    await house.reporting.step()
    for minute in range(1, 5):
        await house.say(*of(1, readings(wh(minute, 1000 + minute * 100))))
        house.later(PUSH_EVERY_SECONDS / 4)
        await house.reporting.step()
    assert partners.purposes("sessions") == ["REPLACE", "UPDATE"]
    assert D(partners.session()["kwh"]) == D("0.4")
    await house.say(*of(1, stopped()))
    await house.reporting.step()
    assert partners.purposes("sessions") == ["REPLACE", "UPDATE", "REPLACE"], "its end is told at once"


async def test_another_price_makes_the_session_whole_again_so_that_no_period_is_there_twice(database: Database) -> None:
    tiers = tariff(element(component("ENERGY", "0.30"), max_kwh=2), element(component("ENERGY", "0.50")), id="TIERS")
    partners = Partners()
    house = House(database, partners, book(tiers))
    await house.say(started())
    for minutes, register in ((10, 2000), (20, 2500), (30, 4000), (40, 5000)):
        await house.reporting.step()
        await house.say(*of(1, readings(wh(minutes, register))))
        house.later(PUSH_EVERY_SECONDS + 1)
    await house.reporting.step()
    assert partners.purposes("sessions") == ["REPLACE", "UPDATE", "UPDATE", "REPLACE", "UPDATE"]
    assert len(partners.session()["charging_periods"]) == 2


async def test_a_refused_push_is_counted_rested_and_never_lost(database: Database) -> None:
    partners = Partners(refuses={"cdrs"})
    house = House(database, partners)
    await house.say(*CHARGE)
    for _ in range(5):
        await house.reporting.step()
    assert (house.reporting.refused, house.reporting.resting) == (1, 1)
    assert partners.session()["status"] == "COMPLETED"
    partners.refuses.clear()
    house.later(REST_MAX_SECONDS)
    await house.reporting.step()
    assert (len(partners.cdrs()), house.reporting.resting) == (1, 0)


async def test_a_cdr_does_not_wait_for_a_session_that_nobody_takes(database: Database) -> None:
    partners = Partners(refuses={"sessions"})
    house = House(database, partners)
    await house.say(*CHARGE)
    await house.reporting.step()
    assert len(partners.cdrs()) == 1


async def test_readings_find_their_charge_by_connector_and_time(database: Database) -> None:
    house = House(database, Partners())
    await house.say(started(), started(500, spot=Spot(0, 2), id_token=IdToken("TAG1")))
    wrong = readings(wh(10, 2000), spot=Spot(0, 2), number=1)
    await house.say(readings(wh(20, 5000), number=None), readings(wh(25, 6000), number=99), wrong)
    await house.say(readings(wh(-10, 1), number=None), readings(wh(30, 1), number=None, spot=Spot(0, 0)))
    first, second = await house.all()
    assert [one.register_wh for one in await house.charges.readings(first.number)] == [5000, 6000]
    assert [one.register_wh for one in await house.charges.readings(second.number)] == [2000]


async def test_an_end_that_names_no_transaction_ends_the_only_one_that_can_be_meant(database: Database) -> None:
    house = House(database, Partners())
    await house.say(started(), stopped(transaction=TransactionRef(-1), id_token=IdToken("TAG1")))
    await house.reporting.step()
    assert (await house.one()).state == ChargeState.COMPLETED


async def test_an_end_that_nobody_can_place_is_kept_once(database: Database) -> None:
    house = House(database, Partners())
    orphan = stopped(transaction=TransactionRef(4711), id_token=IdToken("TAG1"))
    await house.say(orphan, orphan)
    house.later(charging.MISSING_WAIT_SECONDS)
    await house.reporting.step()
    charge = await house.one()
    assert (charge.state, settling.NO_PLACE in flags_of(charge)) == (ChargeState.QUARANTINED, True)


async def test_a_second_begin_at_the_connector_closes_the_first_charge(database: Database) -> None:
    partners = Partners()
    house = House(database, partners)
    await house.say(started(), *of(1, readings(wh(30, 6000))), started(6000, minutes=45))
    first, second = await house.all()
    assert (first.state, second.state) == (ChargeState.ENDED, ChargeState.ACTIVE)
    house.later(charging.MISSING_WAIT_SECONDS)
    await house.reporting.step()
    assert [D(cdr["total_energy"]) for cdr in partners.cdrs()] == [5]


async def test_the_clock_of_a_station_is_put_right(database: Database) -> None:
    house = House(database, Partners())
    async with database.direct.transaction() as connection:
        values = STATION, "Accepted", NOW, 7_200_000
        await connection.execute(
            "insert into charge_station (identity, state, first_seen_at, clock_offset_milliseconds) "
            "values ($1, $2, $3, $4)",
            *values,
        )
    await house.say(started())
    charge = await house.one()
    assert (charge.started_at, charge.told_started_at) == (at(-120), at(0))


async def test_a_status_of_1_6_says_since_when_a_car_parks(database: Database) -> None:
    partners = Partners()
    house = House(database, partners)
    await house.say(started())
    for minutes, status in ((1, "Charging"), (40, "SuspendedEV")):
        await house.desk.told_status(STATION, StatusTold(spot=Spot(0, 1), status=status, happened_at=at(minutes)))
    await house.say(*of(1, stopped()))
    await house.reporting.step()
    assert volumes(partners.cdrs()[0], "PARKING_TIME") == [D("0.3333")]


async def test_a_driver_who_shows_the_card_after_plugging_in_pays(database: Database) -> None:
    partners = Partners()
    house = House(database, partners)
    named: dict[str, Any] = {"transaction": TransactionRef(id="TX-1")}
    answer = await house.desk.started(STATION, started(id_token=None, sequence=0, **named))
    assert answer.permit.token is None
    told = Metered(spot=Spot(0, 1), values=(wh(5, 1500),), id_token=IdToken("TAG1"), sequence=1, **named)
    permit = await house.desk.metered(STATION, told)
    assert permit is not None
    assert permit.token == TOKEN
    await house.say(stopped(sequence=2, **named))
    await house.reporting.step()
    assert partners.cdrs()[0]["cdr_token"]["uid"] == "TAG1"


async def test_a_charge_that_nobody_pays_is_kept_and_told_to_nobody(database: Database) -> None:
    partners = Partners()
    house = House(database, partners)
    await house.say(started(id_token=IdToken("STRANGER")), *CHARGE[1:])
    await house.reporting.step()
    assert ((await house.one()).state, partners.said) == (ChargeState.INVALID, [])


async def test_a_session_that_never_delivered_is_told_to_be_invalid_and_has_no_cdr(database: Database) -> None:
    partners = Partners()
    house = House(database, partners)
    await house.say(started())
    await house.reporting.step()
    await house.say(*of(1, stopped(1000, minutes=0.5)))
    await house.reporting.step()
    assert (partners.session()["status"], partners.cdrs()) == ("INVALID", [])


async def test_the_price_is_that_of_the_tariff_that_counted_at_the_start(database: Database) -> None:
    partners = Partners()
    house = House(database, partners)
    await house.say(started())
    house.sites = book({**PER_KWH, "elements": [element(component("ENERGY", "9.00"))]})
    await house.say(*of(1, stopped()))
    await house.reporting.step()
    assert partners.cdrs()[0]["total_cost"]["excl_vat"] == 3


async def test_a_station_that_says_nothing_for_days_leaves_a_charge_to_an_operator(database: Database) -> None:
    house = House(database, Partners())
    await house.say(started())
    house.later(SAID_NOTHING_MAX_HOURS * 3600 + 1)
    await house.reporting.step()
    house.later(charging.MISSING_WAIT_SECONDS)
    await house.reporting.step()
    charge = await house.one()
    assert (charge.state, charging.STATION_LOST in flags_of(charge)) == (ChargeState.QUARANTINED, True)


async def test_what_an_operator_releases_is_billed_with_the_tariff_that_was_missing(database: Database) -> None:
    partners = Partners()
    house = House(database, partners, book())
    await house.say(*CHARGE)
    await house.reporting.step()
    assert settling.NO_TARIFF in flags_of(await house.one())
    house.sites = book(PER_KWH)
    await house.desk.release(1, Decision(actor="Ines", reason="the tariff was forgotten"))
    await house.reporting.step()
    assert partners.cdrs()[0]["total_cost"]["excl_vat"] == 3


async def test_a_reservation_of_the_same_token_is_part_of_the_charge(database: Database) -> None:
    terms = tariff(
        element(component("TIME", "2"), reservation="RESERVATION"), element(component("ENERGY", "0.3")), id="R"
    )
    async with database.direct.transaction() as connection:
        for uid in ("TAG1", "TAG2"):
            token = encode_json({**TOKEN, "uid": uid}).decode()
            await connection.execute(
                "insert into charge_reservation (identity, state, token, evse, connector, expires_at, made_at) "
                "values ($1, 'ACTIVE', $2, 0, 1, $3, $4)",
                STATION,
                token,
                NOW,
                at(-30),
            )
    partners = Partners()
    house = House(database, partners, book(terms))
    await house.say(started(reservation=1), *CHARGE[1:])
    await house.say(started(11000, minutes=70, reservation=2))
    await house.reporting.step()
    assert volumes(partners.cdrs()[0], "RESERVATION_TIME") == [D("0.5")]
    assert [one.reserved_at for one in await house.all()] == [at(-30), None]


BY_COMMAND = replace(GRANTED, auth_method="COMMAND")


@pytest.mark.parametrize(
    ("permit", "minutes_later", "more", "status"),
    [
        pytest.param(GRANTED, 0, {}, PermitStatus.CONCURRENT, id="a card without a tap before"),
        pytest.param(GRANTED, 60, {}, PermitStatus.ACCEPTED, id="told when it was over long ago (1.6)"),
        pytest.param(GRANTED, 0, {"is_offline": True}, PermitStatus.ACCEPTED, id="told when it was over (2.x)"),
        pytest.param(BY_COMMAND, 0, {}, PermitStatus.ACCEPTED, id="its eMSP said to begin it"),
    ],
)
async def test_a_charge_that_begins_while_its_card_charges_elsewhere(
    database: Database, permit: Permit, minutes_later: float, more: dict[str, Any], status: PermitStatus
) -> None:
    """Stations that know a card themselves begin without asking: the answer to the begin is the first word of the hub."""
    house = House(database, Partners())
    house.clock.moment = at(minutes_later)
    house.cards.permit, house.cards.is_elsewhere = permit, True
    assert (await house.desk.started(STATION, started(**more))).permit.status is status


async def test_a_card_that_is_shown_after_the_begin_may_charge_elsewhere_already(database: Database) -> None:
    """2.x: the cable first, then the card."""
    house = House(database, Partners())
    house.clock.moment, house.cards.is_elsewhere = at(0), True
    named: dict[str, Any] = {"transaction": TransactionRef(id="TX-1")}
    await house.desk.started(STATION, started(id_token=None, **named))
    shown = Metered(spot=Spot(0, 1), values=(), at=at(0), id_token=IdToken("TAG1"), **named)
    answer = await house.desk.metered(STATION, shown)
    assert answer is not None
    assert answer.status is PermitStatus.CONCURRENT


async def test_a_charge_whose_driver_is_forgotten_is_finished_under_the_name_that_is_left(database: Database) -> None:
    """Its begin, told again, is still the same, and what its meter signs from then on names nobody."""
    partners = Partners()
    house = House(database, partners)
    answer = await house.desk.started(STATION, started())
    signed = MeterValue(
        at=at(50), samples=(Sample(value="x", signed=SignedValue(text="OCMF|TAG1|x", encoding="OCMF")),)
    )
    assert await run_erase(Forgetting(database.direct), read_token("NL/MSP/RFID/TAG1"), is_sure=True) == 0
    again = await house.desk.started(STATION, started())
    assert again.number == answer.number
    await house.say(*of(answer.number, CHARGE[1], readings(signed), stopped(id_token=IdToken("TAG1"))))
    await house.reporting.step()
    (cdr,) = partners.cdrs()
    assert (is_erased(cdr["cdr_token"]["uid"]), D(cdr["total_energy"])) == (True, D(10))
    assert cdr["session_id"] == (await house.one()).session_id
    assert "TAG1" not in f"{await house.one()}{await house.charges.readings(answer.number)}{partners.said[-1]}"


async def test_what_runs_at_a_station_that_is_kept_out_is_over_and_is_decided_about(database: Database) -> None:
    partners = Partners()
    house = House(database, partners)
    await house.say(started(), readings(wh(20, 5000)))
    await house.say(replace(started(minutes=5), spot=Spot(0, 2)))
    await house.desk.part(STATION)
    assert {one.state for one in await house.all()} == {ChargeState.ENDED}
    house.later(charging.MISSING_WAIT_SECONDS)
    await house.reporting.step()
    first, _ = await house.all()
    assert (first.state, charging.STATION_LOST in flags_of(first)) == (ChargeState.QUARANTINED, True)
    assert (first.energy_wh, first.ended_at, partners.cdrs()) == (D(4000), at(20), [])
    await house.desk.part(STATION)
    assert (await house.all())[0] == first


async def test_a_station_that_counts_in_another_unit_from_one_day_on_is_doubted_until_an_operator_says_so(
    database: Database,
) -> None:
    """The register before is that of the last charge that was billed by what it counted."""
    house = House(database, Partners())

    async def charge(number: int, register: int, wh: int) -> Charge:
        begin = started(register, 90 * number)
        made = await house.desk.started(STATION, begin)
        await house.say(*of(made.number, stopped(register + wh, 90 * number + 60)))
        await house.reporting.step()
        return (await house.all())[-1]

    first = await charge(0, 5_000_000, 10_000)
    assert first.state == ChargeState.COMPLETED
    for turn in (1, 2):
        doubted = await charge(turn, 5_000 + 20 * turn, 10)
        assert (doubted.state, settling.IN_KWH in flags_of(doubted)) == (ChargeState.QUARANTINED, True)
        await house.desk.release(doubted.number, Decision(actor="Otto", reason="kWh", energy_wh=D(10_000)))
        await house.reporting.step()
    meant = await charge(3, 5_080, 10)
    await house.desk.release(meant.number, Decision(actor="Otto", reason="a new meter, and an idle car"))
    await house.reporting.step()
    assert (await charge(4, 5_100, 20)).state == ChargeState.COMPLETED
