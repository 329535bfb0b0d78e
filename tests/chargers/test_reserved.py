"""A reservation is a Session: RESERVATION, then that of the charge that uses it, or COMPLETED where nobody does (SE-13)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.chargers.billing import kept_tariff
from hub.chargers.charging import CLOCK_TOLERANCE_SECONDS
from hub.chargers.events import IdToken, Permit, PermitStatus, Spot, TransactionRef
from hub.chargers.reserved import cdr_of_unused, session_of_reservation
from hub.store.chargecommands import ChargeCommands, Ended, KeptReservation
from hub.store.database import Database
from ocpi_modules.cdrs import CDR
from ocpi_modules.message import judge_whole
from ocpi_modules.sessions import Session
from ocpi_modules.types import encode_json
from tests.chargers.charges import (
    NOW,
    PARTY,
    PER_KWH,
    STATION,
    TOKEN,
    at,
    book,
    readings,
    started,
    stopped,
    volumes,
    wh,
    where,
)
from tests.chargers.test_chargedesk import House, Killed, Partners
from tests.pricing.build import component, element, tariff

D = Decimal
Content = dict[str, Any]
TIMED = tariff(element(component("TIME", "5"), reservation="RESERVATION"), element(component("ENERGY", "0.3")), id="R")
FEE = tariff(
    element(component("FLAT", "4"), reservation="RESERVATION_EXPIRES"),
    element(component("TIME", "2"), reservation="RESERVATION"),
    element(component("ENERGY", "0.3")),
    id="F",
)
FREE = tariff(element(component("TIME", "0"), reservation="RESERVATION"), element(component("ENERGY", "0.3")), id="Z")


def kept_of(terms: Content = PER_KWH, **changes: Any) -> KeptReservation:
    """A place at E1 that is kept from half an hour before the start of the charges until half an hour after it."""
    here = where(terms)
    usual: Content = {
        "sender": "NL/MSP",
        "reservation_id": "r-1",
        "identity": STATION,
        "site": "SITE",
        "evse_uid": "E1",
        "connector_id": "1",
        "id_token": "TAG1",
        "token": encode_json(TOKEN).decode(),
        "state": "PENDING",
        "evse": 0,
        "connector": 1,
        "reference": "REF-7",
        "expires_at": at(30),
        "made_at": at(-30),
        "session_id": "S-1",
        "place": here.place,
        "tariffs": encode_json([kept_tariff(terms, PARTY, at(-30))]).decode(),
    }
    return KeptReservation(**{**usual, **changes})


@dataclass
class Yard:
    """A house at which places are kept."""

    house: House
    kept: ChargeCommands

    @property
    def partners(self) -> Partners:
        return self.house.partners

    async def keep(self, **changes: Any) -> int:
        """A station keeps a place."""
        number = await self.kept.reserve(kept_of(**changes))
        assert await self.kept.confirm_reservation(number)
        return number

    async def end(self, number: int, state: str, moment: datetime) -> None:
        assert await self.kept.end_reservation(Ended(number, state, moment), ("ACTIVE",))

    async def tell(self) -> list[str]:
        """What the eMSP is told of Sessions, by status."""
        before = len(self.partners.said)
        await self.house.reporting.step()
        return [content["status"] for module, _, content in self.partners.said[before:] if module == "sessions"]


def yard_of(database: Database, terms: Content = PER_KWH) -> Yard:
    house = House(database, Partners(), book(terms))
    house.clock.moment = at(0)
    return Yard(house, ChargeCommands(database.direct))


@pytest.fixture
def yard(database: Database) -> Yard:
    return yard_of(database)


async def test_a_reservation_that_is_used_is_one_session_from_then_on(yard: Yard) -> None:
    await yard.keep()
    assert await yard.tell() == ["RESERVATION"]
    reserved = yard.partners.session()
    judge_whole(Session, reserved)
    assert (reserved["start_date_time"], reserved["kwh"], reserved["charging_periods"]) == (
        "2026-06-01T09:30:00Z",
        0,
        [],
    )
    assert (reserved["evse_uid"], reserved["auth_method"], reserved["authorization_reference"]) == (
        "E1",
        "COMMAND",
        "REF-7",
    )
    assert await yard.tell() == [], "what was told is not told again"
    await yard.house.say(started())
    assert await yard.tell() == ["ACTIVE"]
    active = yard.partners.session()
    assert (active["id"], active["start_date_time"]) == (reserved["id"], "2026-06-01T10:00:00Z")
    yard.house.clock.moment = NOW
    await yard.house.say(stopped())
    assert await yard.tell() == ["COMPLETED"]
    (cdr,) = yard.partners.cdrs()
    assert (cdr["session_id"], yard.partners.session()["id"]) == ("S-1", "S-1")
    assert await yard.tell() == []


@pytest.mark.parametrize("state", ["EXPIRED", "CANCELLED", "REMOVED"])
async def test_a_reservation_that_nobody_uses_is_completed_without_kwh_cost_and_cdr(yard: Yard, state: str) -> None:
    number = await yard.keep()
    assert await yard.tell() == ["RESERVATION"]
    await yard.end(number, state, at(10))
    assert await yard.tell() == ["COMPLETED"]
    session = yard.partners.session()
    judge_whole(Session, session)
    assert (session["kwh"], session["total_cost"]["excl_vat"], session["end_date_time"]) == (
        0,
        0,
        "2026-06-01T10:10:00Z",
    )
    assert (yard.partners.cdrs(), await yard.tell()) == ([], [])


@pytest.mark.parametrize(
    ("terms", "state", "cost"),
    [
        pytest.param(TIMED, "EXPIRED", "5.00", id="an hour at 5"),
        pytest.param(TIMED, "CANCELLED", "5.00", id="given up: as long as it was"),
        pytest.param(TIMED, "REMOVED", None, id="the station needed the place: nothing"),
        pytest.param(FEE, "EXPIRED", "6.00", id="a fee for what expires, and the time"),
        pytest.param(FEE, "CANCELLED", None, id="no CDR can say that it did not expire"),
        pytest.param(FREE, "EXPIRED", None, id="a price of nothing"),
        pytest.param(PER_KWH, "EXPIRED", None, id="no price for reservations"),
    ],
)
def test_what_a_reservation_costs_that_nobody_used(terms: Content, state: str, cost: str | None) -> None:
    over = kept_of(terms, state=state, ended_at=at(30), version=2, number=7)
    cdr = cdr_of_unused(over, PARTY, NOW)
    session = session_of_reservation(over, PARTY, NOW)
    assert (session["status"], session["total_cost"]["excl_vat"]) == ("COMPLETED", 0)
    if cost is None:
        assert cdr is None
        return
    assert cdr is not None
    judge_whole(CDR, cdr)
    assert (cdr["total_cost"]["excl_vat"], cdr["total_reservation_cost"]["excl_vat"]) == (D(cost), D(cost))
    assert (volumes(cdr, "RESERVATION_TIME"), cdr["total_energy"], cdr["session_id"]) == ([D(1)], 0, "S-1")
    assert (cdr["start_date_time"], cdr["end_date_time"]) == ("2026-06-01T09:30:00Z", "2026-06-01T10:30:00Z")
    billed = session_of_reservation(replace(over, cdr=encode_json(cdr).decode()), PARTY, NOW)
    judge_whole(Session, billed)
    assert (billed["total_cost"]["excl_vat"], billed["start_date_time"]) == (D(cost), cdr["start_date_time"])


async def test_a_reservation_that_costs_something_has_one_cdr_whenever_the_hub_is_killed(database: Database) -> None:
    yard = yard_of(database, TIMED)
    number = await yard.keep(terms=TIMED)
    await yard.end(number, "EXPIRED", at(30))
    for said in ("sessions", "cdrs"):
        yard.partners.dies_after = {said}
        with pytest.raises(Killed):
            await yard.house.reporting.step()
    yard.partners.dies_after = set()
    await House(database, yard.partners, yard.house.sites).reporting.step()
    (cdr,) = yard.partners.cdrs()
    assert (cdr["total_cost"]["excl_vat"], yard.partners.session()["status"]) == (5, "COMPLETED")
    assert await yard.tell() == []


async def test_who_takes_no_session_gets_the_cdr_all_the_same(database: Database) -> None:
    yard = yard_of(database, TIMED)
    await yard.end(await yard.keep(terms=TIMED), "EXPIRED", at(30))
    yard.partners.refuses = {"sessions"}
    assert await yard.tell() == []
    assert (len(yard.partners.cdrs()), yard.house.reporting.resting) == (1, 1)
    yard.partners.refuses = set()
    assert await yard.tell() == [], "it rests"
    yard.house.later(60)
    assert await yard.tell() == ["COMPLETED"]


async def test_a_used_reservation_that_has_a_price_is_in_the_cdr_and_before_the_session(database: Database) -> None:
    yard = yard_of(database, TIMED)
    await yard.keep(terms=TIMED)
    await yard.house.say(started())
    yard.house.clock.moment = NOW
    await yard.house.say(stopped())
    await yard.tell()
    (cdr,), session = yard.partners.cdrs(), yard.partners.session()
    assert (cdr["start_date_time"], volumes(cdr, "RESERVATION_TIME")) == ("2026-06-01T09:30:00Z", [D("0.5")])
    assert (session["start_date_time"], session["status"]) == ("2026-06-01T10:00:00Z", "COMPLETED")


@pytest.mark.parametrize(
    ("changes", "begun", "is_used"),
    [
        pytest.param({}, {}, True, id="by the token at the place"),
        pytest.param({"evse_uid": "E2"}, {"reservation": 1}, True, id="by the station's word"),
        pytest.param({"evse_uid": "E2"}, {}, False, id="at another EVSE"),
        pytest.param({"identity": "CP-2"}, {"reservation": 1}, False, id="at another station"),
        pytest.param(
            {"token": encode_json({**TOKEN, "uid": "TAG2"}).decode()}, {"reservation": 1}, False, id="another token"
        ),
        pytest.param({"expires_at": at(-CLOCK_TOLERANCE_SECONDS / 60 - 1)}, {}, False, id="too late"),
        pytest.param({"made_at": at(5)}, {}, False, id="it was not reserved yet"),
        pytest.param({"session_id": ""}, {}, False, id="from before there were such Sessions"),
    ],
)
async def test_which_charge_uses_a_reservation(yard: Yard, changes: Content, begun: Content, is_used: bool) -> None:
    await yard.keep(**changes)
    await yard.house.say(started(**begun))
    charge = await yard.house.one()
    assert (charge.session_id == "S-1") is is_used
    rows = await yard.kept._direct.fetch("select state from charge_reservation")
    assert (rows[0]["state"] == "USED") is (is_used or changes == {"session_id": ""})


async def test_who_may_not_charge_does_not_use_a_reservation(yard: Yard) -> None:
    await yard.keep()
    yard.house.cards.permit = Permit(status=PermitStatus.BLOCKED, token=TOKEN)
    await yard.house.say(started())
    assert (await yard.house.one()).reserved_at is None


async def test_a_reservation_is_used_once(yard: Yard) -> None:
    await yard.keep()
    await yard.house.say(started(), stopped(minutes=5), started(11000, minutes=10))
    first, second = await yard.house.all()
    assert (first.session_id, second.session_id == "S-1", second.reserved_at) == ("S-1", False, None)


async def test_a_begin_without_a_token_uses_the_reservation_when_its_token_comes(yard: Yard) -> None:
    """OCPP 2.x: the cable comes before the card."""
    await yard.keep()
    assert await yard.tell() == ["RESERVATION"]
    named = TransactionRef(id="t-1")
    await yard.house.say(started(transaction=named, id_token=None, spot=Spot(0, 1)))
    assert await yard.tell() == []
    await yard.house.say(readings(number=None, transaction=named, id_token=IdToken("TAG1"), at=at(1)))
    assert await yard.tell() == ["ACTIVE"]
    assert yard.partners.session()["id"] == "S-1"


async def test_a_charge_whose_own_session_was_told_ends_that_of_the_reservation(yard: Yard) -> None:
    await yard.keep()
    assert await yard.tell() == ["RESERVATION"]
    named = TransactionRef(id="t-1")
    await yard.kept._direct.execute("update charge_reservation set made_at = $1", at(20))
    await yard.house.say(readings(wh(1, 1000), number=None, transaction=named, id_token=IdToken("TAG1"), at=at(1)))
    assert await yard.tell() == ["ACTIVE"]
    await yard.kept._direct.execute("update charge_reservation set made_at = $1", at(-30))
    await yard.house.say(started(transaction=named))
    assert sorted(await yard.tell()) == ["COMPLETED"]
    told = [content["id"] for module, _, content in yard.partners.said if module == "sessions"]
    assert (told[0], told[-1], len(set(told))) == ("S-1", "S-1", 2)


async def test_a_charge_that_came_to_nothing_is_told_where_its_reservation_was(yard: Yard) -> None:
    """NEVER_DELIVERED: INVALID, of which nobody hears who was told nothing."""
    await yard.keep()
    assert await yard.tell() == ["RESERVATION"]
    yard.house.clock.moment = at(1)
    await yard.house.say(started(), stopped(1000, minutes=0.5))
    assert await yard.tell() == ["INVALID"]


async def test_who_cancels_while_somebody_begins_does_not_end_the_session_of_the_charge(yard: Yard) -> None:
    number = await yard.keep()
    await yard.house.say(started())
    assert not await yard.kept.end_reservation(Ended(number, "CANCELLED", at(1)), ("ACTIVE",))
    assert await yard.tell() == ["ACTIVE"]


async def test_a_reservation_that_moves_to_another_place_keeps_its_session(yard: Yard) -> None:
    first = await yard.keep()
    assert await yard.tell() == ["RESERVATION"]
    second = await yard.kept.reserve(kept_of(evse_uid="E2", identity="CP-2", session_id="S-2", made_at=at(0)))
    assert await yard.kept.move_reservation(second, first)
    assert await yard.tell() == ["RESERVATION"]
    assert yard.partners.session()["id"] == "S-1"
    moved = await yard.kept.reservation_numbered(second)
    assert moved is not None
    assert (moved.session_id, moved.made_at, moved.state) == ("S-1", at(-30), "ACTIVE")


async def test_what_is_not_told_yet_is_not_forgotten(yard: Yard) -> None:
    await yard.keep()
    later = at(30) + timedelta(days=1)
    await yard.kept.tidy(later)
    assert await yard.tell() == ["RESERVATION"]
    await yard.kept.tidy(later)
    assert await yard.kept.reservation_numbered(1) is None
