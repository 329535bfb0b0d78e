"""Whole months from end to end: what is found, what becomes of the CDRs, and what is owed; one scenario for every kind.

Each scenario puts its CDRs among others with which nothing is wrong, so that what it finds is all that there is to find.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.agreements import Agreement, Agreements
from hub.settlement.evidence import Evidence, Tolerances, last_states
from hub.settlement.facts import Cost, read_session
from hub.settlement.findings import Finding
from hub.settlement.run import Outcome, settle
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import decode_json, encode_json
from tests.settlement.cases import (
    ABSENT,
    CPO,
    EMSP,
    OTHER_EMSP,
    PARTIES,
    PERIOD,
    Arrival,
    Content,
    cdr,
    credit_of,
    dc_cdr,
    dc_tariff,
    evidence_of,
    location,
    other_token,
    period,
    session_of,
    tariff,
    token,
)

Told = tuple[str, str, str]
"""Kind, severity and disposition of a finding."""

NO_PARTS: Content = {"total_energy_cost": ABSENT, "total_parking_cost": ABSENT}
NO_AGREEMENTS = Agreements()


def error(kind: str, disposition: str = "HOLD") -> Told:
    """What keeps a CDR out."""
    return (kind, "ERROR", disposition)


def warning(kind: str, disposition: str = "REPORT") -> Told:
    """What is told, and keeps nothing out."""
    return (kind, "WARNING", disposition)


def info(kind: str, disposition: str = "SETTLE") -> Told:
    """What may be worth knowing."""
    return (kind, "INFO", disposition)


def cost(excl_vat: Any, incl_vat: Any = None) -> Content:
    """A Price; with 19 % VAT unless another amount is given."""
    excl = Decimal(str(excl_vat))
    return {"excl_vat": excl, "incl_vat": excl * Decimal("1.19") if incl_vat is None else Decimal(str(incl_vat))}


def on_day(day: int, content: Content, name: str) -> Content:
    """The same charge on another day of October, under another id and session."""
    text = json.dumps(json.loads(encode_json(content))).replace(content["start_date_time"][:10], f"2026-10-{day:02}")
    moved: Content = decode_json(text.encode())
    return {**moved, "id": name, "session_id": f"S-{name}"}


USUAL = (on_day(3, cdr(), "U1"), on_day(4, dc_cdr(), "U2"), on_day(5, cdr(), "U3"))
"""CDRs with which nothing is wrong: EUR 18.00 for EMSP, EUR 28.00 for OTHER_EMSP."""

USUAL_OWED = {EMSP: Decimal("18.00"), OTHER_EMSP: Decimal("28.00")}


@dataclass(frozen=True)
class Month:
    """CDRs beside the usual ones, all else that is known, and what is expected: findings, verdicts, and what EMSP owes for them."""

    cdrs: Sequence[Content | Arrival]
    told: Sequence[Told]
    verdicts: Sequence[str]
    owed: str
    others: Mapping[str, Any] = field(default_factory=dict)
    agreements: Agreements = NO_AGREEMENTS

    @property
    def arrivals(self) -> list[Content | Arrival]:
        """All CDRs of the month, the usual ones last."""
        return [*self.cdrs, *USUAL]

    def evidence(self) -> Evidence:
        """All that is known; sessions given are those of the CDRs of the scenario."""
        others = dict(self.others)
        if "sessions" in others:
            others["sessions"] = [*others["sessions"], *map(session_of, USUAL)]
        if "views" in others:
            others["views"] = {party: {**_held_of_the_usual(party), **held} for party, held in others["views"].items()}
        return evidence_of(*self.arrivals, **others)

    def outcome(self) -> Outcome:
        """The month settled."""
        return settle(self.evidence(), self.agreements)


def _held_of_the_usual(party: Party) -> dict[str, Cost]:
    held = {"U1": (EMSP, "9.00", "10.71"), "U2": (OTHER_EMSP, "28.00", "33.32"), "U3": (EMSP, "9.00", "10.71")}
    return {
        name: Cost(Decimal(excl_vat), Decimal(incl_vat))
        for name, (emsp, excl_vat, incl_vat) in held.items()
        if emsp == party
    }


def told(findings: Iterable[Finding]) -> list[Told]:
    """What is found, in the order of the findings."""
    return [(one.check.kind, one.severity.value, one.disposition.value) for one in findings]


def net_of(outcome: Outcome, currency: str = "EUR") -> dict[Party, Decimal]:
    """Positions without VAT in a currency."""
    return {party: amount.excl_vat for (party, of), amount in outcome.net.items() if of == currency}


def priced_by(published: Content, total: Any, **changes: Any) -> Content:
    """The CDR of the world under another tariff that it brings, with another total."""
    return cdr(tariffs=[published], total_cost=cost(total), **{**NO_PARTS, **changes})


def element(restrictions: Content | None = None, **prices: Any) -> Content:
    """A tariff element of components that are prices, or (price, step_size), with 19 % VAT."""
    parts = {kind: price if isinstance(price, tuple) else (price, 1) for kind, price in prices.items()}
    components = [{"type": kind, "price": price, "vat": 19, "step_size": step} for kind, (price, step) in parts.items()]
    return {"price_components": components} | ({"restrictions": restrictions} if restrictions else {})


OFFERING = location(evses__0__connectors__0__tariff_ids=["T-AC", "T-X"])
"""The Location of the world, its AC EVSE having another tariff too."""


def with_tariff(published: Content, total: Any, told: Sequence[Told], verdict: str, **changes: Any) -> Month:
    """A month with a CDR priced by tariff T-X, which is offered beside the usual one; what it claims is owed where it settles."""
    other = {**published, "id": "T-X"}
    priced = priced_by(other, total, **changes)
    content = {**priced, "charging_periods": [{**one, "tariff_id": "T-X"} for one in priced["charging_periods"]]}
    others = {"tariffs": [other, tariff(), dc_tariff()], "locations": [OFFERING]}
    return Month([content], told, [verdict], str(total) if verdict == "SETTLE" else "0", others)


def one(content: Content | Arrival, told: Sequence[Told], verdict: str, owed: str = "9.00", **others: Any) -> Month:
    """A month with one CDR more; its claim is owed where it settles."""
    return Month([content], told, [verdict], owed if verdict == "SETTLE" else "0", others)


STEPS = tariff(elements=[element(ENERGY=(0.5, 500))])
LEAST = tariff(elements=[element(ENERGY=0.4)], min_price=cost(10))
MOST = tariff(elements=[element(ENERGY=0.4)], max_price=cost(6))
ONCE = tariff(elements=[element(ENERGY=0.4, FLAT=1.5)])
TIMED = tariff(elements=[element(ENERGY=0.4, TIME=2)])
MORNING = tariff(elements=[element({"start_time": "10:00", "end_time": "12:00"}, ENERGY=0.4), element(ENERGY=0.7)])
OLD = tariff(elements__0__price_components__0__price=0.3, last_updated="2026-08-01T00:00:00Z")
TWO = [period("2026-10-10T08:00:00Z", ENERGY=9.1, TIME=1), period("2026-10-10T09:00:00Z", ENERGY=10.2, TIME=1)]

AMOUNTS = {
    "a right claim": one(cdr(), [], "SETTLE"),
    "a cent too much": one(cdr(total_cost=cost(9.01, 10.72)), [info("ROUNDING_DIFFERENCE")], "SETTLE", "9.01"),
    "too much": one(cdr(total_cost=cost(9.5), **NO_PARTS), [error("PRICE_MISMATCH")], "HOLD"),
    "too little": one(cdr(total_cost=cost(8.5), **NO_PARTS), [warning("PRICE_MISMATCH", "SETTLE")], "SETTLE", "8.50"),
    "too much, and not the sum of its parts": one(
        cdr(total_cost=cost(9.5)), [error("TOTAL_NOT_SUM_OF_PARTS"), error("PRICE_MISMATCH")], "HOLD"
    ),
    "right, and not the sum of its parts": one(
        cdr(total_energy_cost=cost(7)), [error("TOTAL_NOT_SUM_OF_PARTS")], "HOLD"
    ),
    "right, its parts are others": one(
        cdr(total_energy_cost=cost(7), total_parking_cost=cost(2)), [warning("PART_MISMATCH")], "SETTLE"
    ),
    "too much VAT": one(cdr(total_cost=cost(9, 10.8)), [error("VAT_MISMATCH")], "HOLD"),
    "too little VAT": one(cdr(total_cost=cost(9, 9)), [error("VAT_MISMATCH")], "HOLD"),
    "no step": with_tariff(
        STEPS,
        "9.65",
        [warning("STEP_SIZE_NOT_APPLIED", "SETTLE")],
        "SETTLE",
        charging_periods=TWO,
        total_energy=19.3,
        total_parking_time=ABSENT,
    ),
    "a step in every period": with_tariff(
        STEPS,
        10,
        [error("STEP_SIZE_APPLIED_PER_PERIOD")],
        "HOLD",
        charging_periods=TWO,
        total_energy=19.3,
        total_parking_time=ABSENT,
    ),
    "no least price": with_tariff(LEAST, 8, [warning("MIN_PRICE_NOT_APPLIED", "SETTLE")], "SETTLE"),
    "no greatest price": with_tariff(MOST, 8, [error("MAX_PRICE_NOT_APPLIED")], "HOLD"),
    "two FLATs": with_tariff(ONCE, 11, [error("FLAT_COUNT_MISMATCH")], "HOLD"),
    "no FLAT": with_tariff(ONCE, 8, [warning("FLAT_COUNT_MISMATCH", "SETTLE")], "SETTLE"),
    "another currency than the tariff": one(cdr(currency="CHF"), [error("CURRENCY_MISMATCH")], "HOLD"),
}

TARIFFS = {
    "no tariff": one(cdr(tariffs=ABSENT), [error("MISSING_TARIFF")], "HOLD", tariffs=[dc_tariff()]),
    "a tariff that is not offered, and dearer": one(
        priced_by(
            tariff(id="DEAR", elements__0__price_components__0__price=0.9),
            19,
            charging_periods__0__tariff_id="DEAR",
            charging_periods__1__tariff_id="DEAR",
        ),
        [error("WRONG_TARIFF")],
        "HOLD",
    ),
    "a tariff that is not offered, and cheaper": one(
        priced_by(
            tariff(id="CHEAP", elements__0__price_components__0__price=0.1),
            3,
            charging_periods__0__tariff_id="CHEAP",
            charging_periods__1__tariff_id="CHEAP",
        ),
        [warning("WRONG_TARIFF", "SETTLE")],
        "SETTLE",
        "3.00",
    ),
    "a claim by another tariff": one(cdr(total_cost=cost(13), **NO_PARTS), [error("WRONG_TARIFF")], "HOLD"),
    "a dearer version than the one in force": one(
        priced_by(tariff(elements__0__price_components__0__price=0.5), 11), [error("TARIFF_CONTENT_MISMATCH")], "HOLD"
    ),
    "a cheaper version than the one in force": one(
        priced_by(tariff(elements__0__price_components__0__price=0.3), 7),
        [warning("TARIFF_CONTENT_MISMATCH", "SETTLE")],
        "SETTLE",
        "7.00",
    ),
    "a claim by a version that is no longer in force": one(
        cdr(tariffs=ABSENT, total_cost=cost(7), **NO_PARTS),
        [warning("TARIFF_CONTENT_MISMATCH", "SETTLE")],
        "SETTLE",
        "7.00",
        tariffs=[OLD, tariff(), dc_tariff()],
    ),
    "times of day in UTC": with_tariff(MORNING, 14, [error("WRONG_TIMEZONE")], "HOLD"),
    "no period names its tariff": one(
        cdr(charging_periods__0__tariff_id=ABSENT, charging_periods__1__tariff_id=ABSENT),
        [warning("TARIFF_ID_MISSING")],
        "SETTLE",
    ),
    "a component without a step": with_tariff(
        tariff(elements__0__price_components__0__step_size=0), 9, [warning("TARIFF_INVALID")], "SETTLE"
    ),
    "a component whose step is left out": with_tariff(
        tariff(elements__0__price_components__0__step_size=ABSENT), 9, [warning("TARIFF_INVALID")], "SETTLE"
    ),
    "a component without a step, and coordinates that are too short": one(
        cdr(
            cdr_location__coordinates={"latitude": "52.52", "longitude": "13.40"},
            tariffs=[tariff(elements__0__price_components__0__step_size=0)],
        ),
        [
            warning("INVALID_CDR"),
            warning("TARIFF_CONTENT_MISMATCH", "SETTLE"),
            warning("TARIFF_INVALID"),
            warning("CONNECTOR_MISMATCH"),
        ],
        "SETTLE",
    ),
    "a tariff that cannot be read, and coordinates that are too short": one(
        cdr(
            cdr_location__coordinates={"latitude": "52.52", "longitude": "13.40"},
            tariffs__0__elements="free",
        ),
        [warning("INVALID_CDR"), error("TARIFF_INVALID"), warning("CONNECTOR_MISMATCH")],
        "HOLD",
    ),
    "two tariffs at once": one(
        cdr(
            charging_periods__0__tariff_id=ABSENT,
            charging_periods__1__tariff_id=ABSENT,
            tariffs=[tariff(), {**tariff(), "id": "T-AC2"}],
        ),
        [warning("TARIFF_ID_MISSING"), warning("AMBIGUOUS_TARIFF")],
        "SETTLE",
    ),
}

QUANTITIES = {
    "periods with more energy than the total": one(
        cdr(charging_periods__0=period("2026-10-10T08:00:00Z", ENERGY=21, TIME=1.5)),
        [error("ENERGY_SUM_MISMATCH"), warning("PRICE_MISMATCH", "SETTLE")],
        "HOLD",
        sessions=[session_of(cdr())],
    ),
    "a total with more energy than its periods, and claimed": one(
        cdr(total_energy=25, total_cost=cost(11), **NO_PARTS),
        [error("ENERGY_SUM_MISMATCH"), error("PRICE_MISMATCH")],
        "HOLD",
        sessions=[session_of(cdr(), total_cost=ABSENT)],
    ),
    "periods in Wh": one(
        cdr(charging_periods__0=period("2026-10-10T08:00:00Z", ENERGY=20000, TIME=1.5)),
        [error("ENERGY_UNIT_ERROR")],
        "HOLD",
    ),
    "all in Wh": one(
        cdr(charging_periods__0=period("2026-10-10T08:00:00Z", ENERGY=20000, TIME=1.5), total_energy=20000),
        [error("ENERGY_UNIT_ERROR")],
        "HOLD",
        sessions=[session_of(cdr())],
    ),
    "claimed as if its kWh were Wh": one(
        cdr(total_cost=cost(8001), total_energy_cost=cost(8000)), [error("ENERGY_UNIT_ERROR")], "HOLD"
    ),
    "hours that are free and not there": one(
        cdr(charging_periods__0=period("2026-10-10T08:00:00Z", ENERGY=20, TIME=1.6)),
        [warning("TIME_SUM_MISMATCH")],
        "SETTLE",
    ),
    "hours that are claimed and not there": with_tariff(
        TIMED,
        13,
        [error("TIME_SUM_MISMATCH")],
        "HOLD",
        charging_periods=[period("2026-10-10T08:00:00Z", ENERGY=20, TIME=2.5)],
        total_parking_time=ABSENT,
    ),
    "another parking time in total": one(cdr(total_parking_time=0.25), [warning("PARKING_TIME_MISMATCH")], "SETTLE"),
    "more energy than the connector gives": with_tariff(
        tariff(),
        25,
        [error("ENERGY_ABOVE_PHYSICAL_LIMIT")],
        "HOLD",
        charging_periods__0=period("2026-10-10T08:00:00Z", ENERGY=60, TIME=1.5),
        total_energy=60,
    ),
    "an end before the start": one(
        cdr(
            end_date_time="2026-10-10T07:00:00Z",
            charging_periods=[period("2026-10-10T08:00:00Z", ENERGY=22.5)],
            total_energy=22.5,
            total_time=0,
            total_parking_time=ABSENT,
            **NO_PARTS,
        ),
        [error("NEGATIVE_DURATION")],
        "HOLD",
    ),
    "more than seven days": one(
        cdr(
            start_date_time="2026-10-02T08:00:00Z",
            charging_periods=[period("2026-10-02T08:00:00Z", ENERGY=22.5)],
            total_energy=22.5,
            total_time=194,
            total_parking_time=ABSENT,
            cdr_location__connector_id="2",
            **NO_PARTS,
        ),
        [error("IMPLAUSIBLE_DURATION")],
        "HOLD",
        locations=[
            location(
                evses__0__connectors=[
                    location()["evses"][0]["connectors"][0],
                    {**location()["evses"][0]["connectors"][0], "id": "2"},
                ]
            )
        ],
    ),
    "a period before the session": one(
        cdr(charging_periods__0__start_date_time="2026-10-10T07:40:00Z"), [warning("PERIOD_OUTSIDE_SESSION")], "SETTLE"
    ),
    "a price that changes inside a period": with_tariff(
        tariff(elements=[element({"end_time": "11:00"}, ENERGY=0.45), element(ENERGY=0.6)]),
        9,
        [warning("MISSING_PERIOD_BOUNDARY")],
        "SETTLE",
    ),
    "priced time that is not stated": with_tariff(
        TIMED,
        8,
        [warning("DIMENSION_MISSING")],
        "SETTLE",
        charging_periods=[period("2026-10-10T08:00:00Z", ENERGY=20)],
        total_parking_time=ABSENT,
    ),
    "a current that nothing proves": with_tariff(
        tariff(elements=[element({"min_current": 16}, ENERGY=0.9), element(ENERGY=0.4, PARKING_TIME=2)]),
        9,
        [warning("INSUFFICIENT_DATA")],
        "SETTLE",
    ),
    "an unknown end": one(
        Arrival(cdr(end_date_time="1970-01-01T00:00:00Z"), "2026-10-10T12:00:00Z"),
        [warning("UNVERIFIABLE_TIME")],
        "SETTLE",
        sessions=[session_of(cdr())],
    ),
    "a price with six decimals": with_tariff(
        tariff(elements__0__price_components__0__price=0.400001), 9, [info("NUMBER_PRECISION", "REPORT")], "SETTLE"
    ),
}

SESSIONS = {
    "another energy than the session": one(
        cdr(), [error("SESSION_CDR_ENERGY_MISMATCH")], "HOLD", sessions=[session_of(cdr(), kwh=15)]
    ),
    "other times than the session": one(
        cdr(),
        [warning("SESSION_CDR_TIME_MISMATCH")],
        "SETTLE",
        sessions=[session_of(cdr(), end_date_time="2026-10-10T09:50:00Z")],
    ),
    "another cost than the session": one(
        cdr(), [warning("SESSION_CDR_COST_MISMATCH")], "SETTLE", sessions=[session_of(cdr(), total_cost=cost(7))]
    ),
    "another currency than the session": one(
        cdr(), [error("CURRENCY_MISMATCH")], "HOLD", sessions=[session_of(cdr(), currency="CHF")]
    ),
    "an invalid session": one(
        cdr(), [error("SESSION_INVALID")], "HOLD", sessions=[session_of(cdr(), status="INVALID", kwh=3)]
    ),
    "a session that was never sent": one(cdr(), [warning("MISSING_SESSION", "SETTLE")], "SETTLE", sessions=[]),
    "a session without a CDR": Month(
        [], [warning("SESSION_WITHOUT_CDR")], [], "0", {"sessions": [session_of(cdr(id="X", session_id="S-X"))]}
    ),
    "a session without a CDR that is not old enough": Month(
        [], [], [], "0", {"sessions": [session_of(on_day(28, cdr(), "X"))]}
    ),
}

TOKENS = {
    "an unknown token": one(cdr(cdr_token__uid="X"), [error("UNKNOWN_TOKEN")], "HOLD"),
    "a blocked token": one(
        cdr(),
        [error("TOKEN_INVALID_AT_START")],
        "HOLD",
        tokens=[token(), token(valid=False, last_updated="2026-10-10T00:00:00Z"), other_token()],
    ),
    "a token that was blocked later": one(
        cdr(),
        [],
        "SETTLE",
        tokens=[token(), token(valid=False, last_updated="2026-10-10T09:00:00Z"), other_token()],
    ),
    "the token of another eMSP": one(
        cdr(cdr_token__uid="TOKEN2", cdr_token__type="APP_USER", cdr_token__contract_id="BE-EMO-C00000002-2"),
        [error("TOKEN_PARTY_MISMATCH")],
        "HOLD",
    ),
    "sent to another eMSP": one(Arrival(cdr(), to=OTHER_EMSP), [error("TOKEN_PARTY_MISMATCH")], "HOLD"),
    "whitelisted though it never is": one(
        cdr(),
        [warning("AUTH_METHOD_VIOLATION")],
        "SETTLE",
        tokens=[token(), token(whitelist="NEVER", last_updated="2026-10-09T00:00:00Z"), other_token()],
    ),
}

OTHER_CAR: Content = {"id": "C2", "session_id": "S2", "cdr_token__uid": "TOKEN9"}
TWO_TOKENS = [token(), token(uid="TOKEN9"), other_token()]
FIRST, LATER = "2026-10-11T00:00:00Z", "2026-10-12T00:00:00Z"

IDENTITY = {
    "the same CDR again": Month([cdr(), cdr()], [error("DUPLICATE_CDR", "DROP")], ["SETTLE", "DROP"], "9.00"),
    "the same CDR twice more, with something wrong": Month(
        [cdr(cdr_token__uid="X")] * 3,
        [error("UNKNOWN_TOKEN"), error("DUPLICATE_CDR", "DROP"), error("DUPLICATE_CDR", "DROP")],
        ["HOLD", "DROP", "DROP"],
        "0",
    ),
    "another CDR under its id": Month(
        [Arrival(cdr(), FIRST), Arrival(cdr(total_cost=cost(99)), LATER)],
        [error("CDR_ID_REUSED")],
        ["SETTLE", "HOLD"],
        "9.00",
        {"sessions": [session_of(cdr())]},
    ),
    "the other CDR under its id came first": Month(
        [Arrival(cdr(total_cost=cost(8), **NO_PARTS), LATER), Arrival(cdr(), FIRST)],
        [error("CDR_ID_REUSED")],
        ["HOLD", "SETTLE"],
        "9.00",
        {"sessions": [session_of(cdr())]},
    ),
    "a session billed twice": Month(
        [Arrival(cdr(), FIRST), Arrival(cdr(id="C2"), LATER)],
        [error("SESSION_BILLED_TWICE")],
        ["SETTLE", "HOLD"],
        "9.00",
    ),
    "two cars at one connector": Month(
        [cdr(), cdr(**OTHER_CAR)],
        [error("OVERLAPPING_SESSIONS")],
        ["HOLD", "HOLD"],
        "0",
        {"tokens": TWO_TOKENS},
    ),
    "a token at two EVSEs": Month(
        [
            cdr(),
            cdr(
                id="C2",
                session_id="S2",
                cdr_location__evse_uid="E2",
                cdr_location__evse_id="DE*ABC*E2",
                cdr_location__connector_standard="IEC_62196_T2_COMBO",
                cdr_location__connector_power_type="DC",
                cdr_location__connector_format="CABLE",
            ),
        ],
        [warning("TOKEN_CONCURRENT_USE")],
        ["SETTLE", "SETTLE"],
        "18.00",
        {
            "locations": [location(evses__1__connectors__0__tariff_ids=["T-DC", "T-AC"])],
        },
    ),
    "an EVSE that was never published": one(
        cdr(cdr_location__evse_uid="E7", cdr_location__evse_id="DE*ABC*E7"), [warning("UNKNOWN_LOCATION")], "SETTLE"
    ),
    "a CDR that came when the period was closed": one(
        Arrival(cdr(), "2026-11-05T18:00:00Z"), [warning("LATE_CDR", "DEFER")], "DEFER"
    ),
    "a charge that ended when the period was over": one(
        decode_json(encode_json(cdr()).replace(b"2026-10-10", b"2026-11-01")), [], "DEFER"
    ),
}

REPLACED = cdr(id="C1-R", last_updated="2026-10-12T00:00:00Z")

CREDITS = {
    "a credit": Month([cdr(), credit_of(cdr())], [], ["SETTLE", "SETTLE"], "0"),
    "a credit and what replaces the original": Month(
        [Arrival(cdr(), FIRST), credit_of(cdr()), Arrival(REPLACED, LATER)],
        [info("CORRECTED_CDR", "REPORT")],
        ["SETTLE", "SETTLE", "SETTLE"],
        "9.00",
    ),
    "a credit of a wrong energy and what replaces the original": Month(
        [
            Arrival(
                cdr(
                    charging_periods__0=period("2026-10-10T08:00:00Z", ENERGY=25, TIME=1.5),
                    total_energy=25,
                    total_cost=cost(11),
                    total_energy_cost=cost(10),
                ),
                FIRST,
            ),
            credit_of(
                cdr(
                    charging_periods__0=period("2026-10-10T08:00:00Z", ENERGY=25, TIME=1.5),
                    total_energy=25,
                    total_cost=cost(11),
                    total_energy_cost=cost(10),
                )
            ),
            Arrival(REPLACED, LATER),
        ],
        [info("CORRECTED_CDR", "REPORT")],
        ["SETTLE", "SETTLE", "SETTLE"],
        "9.00",
        {"sessions": [session_of(cdr())]},
    ),
    "a credit of a claim that was too much": Month(
        [Arrival(cdr(total_cost=cost(12), **NO_PARTS), FIRST), credit_of(cdr(total_cost=cost(12), **NO_PARTS))],
        [error("PRICE_MISMATCH"), error("PRICE_MISMATCH")],
        ["HOLD", "HOLD"],
        "0",
        {"sessions": [session_of(cdr())]},
    ),
    "a credit of nothing": Month([credit_of(cdr())], [error("CREDIT_WITHOUT_ORIGINAL")], ["HOLD"], "0"),
    "a credit of another amount": Month(
        [cdr(), credit_of(cdr(), total_cost=cost(-5))], [error("CREDIT_AMOUNT_MISMATCH")], ["SETTLE", "HOLD"], "9.00"
    ),
    "a credit that is not negated": Month(
        [cdr(), credit_of(cdr(), total_cost=cost(9))], [error("CREDIT_AMOUNT_MISMATCH")], ["SETTLE", "HOLD"], "9.00"
    ),
    "a second credit": Month(
        [cdr(), credit_of(cdr()), Arrival(credit_of(cdr(), id="C1-D"), "2026-10-20T00:00:00Z")],
        [error("CREDIT_REPEATED")],
        ["SETTLE", "SETTLE", "HOLD"],
        "0",
    ),
    "a credit that is not called one": Month(
        [cdr(), credit_of(cdr(), credit=False)], [error("CREDIT_FLAG_INCONSISTENT")], ["SETTLE", "HOLD"], "9.00"
    ),
    "a credit that does not say of what": Month(
        [cdr(), credit_of(cdr(), credit_reference_id=ABSENT)],
        [error("CREDIT_FLAG_INCONSISTENT")],
        ["SETTLE", "HOLD"],
        "9.00",
    ),
    "a credit of a credit": Month(
        [
            cdr(),
            credit_of(cdr()),
            Arrival(credit_of(cdr(), id="C1-CC", credit_reference_id="C1-C"), "2026-10-20T00:00:00Z"),
        ],
        [error("CREDIT_WITHOUT_ORIGINAL")],
        ["SETTLE", "SETTLE", "HOLD"],
        "0",
    ),
}

HELD = Cost(Decimal("9.00"), Decimal("10.71"))

VIEWS = {
    "the eMSP holds the same": one(cdr(), [], "SETTLE", views={EMSP: {"C1": HELD}}),
    "the eMSP holds nothing": one(cdr(), [error("EMSP_CDR_MISSING")], "HOLD", views={EMSP: {}}),
    "the eMSP holds another total": one(
        cdr(), [error("EMSP_CDR_DIFFERS")], "HOLD", views={EMSP: {"C1": Cost(Decimal(8), Decimal("9.52"))}}
    ),
    "the eMSP holds one of two copies": Month(
        [cdr(), cdr()],
        [error("DUPLICATE_CDR", "DROP")],
        ["SETTLE", "DROP"],
        "9.00",
        {"views": {EMSP: {"C1": HELD}}},
    ),
    "the eMSP does not hold what comes late": one(
        Arrival(cdr(), "2026-11-06T00:00:00Z"), [warning("LATE_CDR", "DEFER")], "DEFER", views={EMSP: {}}
    ),
}

SCENARIOS = {**AMOUNTS, **TARIFFS, **QUANTITIES, **SESSIONS, **TOKENS, **IDENTITY, **CREDITS, **VIEWS}


@pytest.mark.parametrize("month", [pytest.param(month, id=name) for name, month in SCENARIOS.items()])
def test_a_month_has_the_findings_verdicts_and_positions_of_its_scenario(month: Month) -> None:
    """A05, A06, A11, A14, A15, B01 to B06, C01, C04, C06, D01, D03 to D06, D08.

    And E01 to E05, F01, F02, F04, G01 to G06, G11, I02, J01 to J04, K01.
    """
    outcome = month.outcome()
    due = USUAL_OWED[EMSP] + Decimal(month.owed)
    assert told(outcome.findings) == list(month.told)
    assert [outcome.verdicts[index].value for index in range(len(month.arrivals))] == [*month.verdicts, *["SETTLE"] * 3]
    assert net_of(outcome) == {CPO: due + USUAL_OWED[OTHER_EMSP], EMSP: -due, OTHER_EMSP: -USUAL_OWED[OTHER_EMSP]}


@pytest.mark.parametrize("month", [pytest.param(month, id=name) for name, month in SCENARIOS.items()])
def test_the_order_of_the_input_does_not_matter(month: Month) -> None:
    """P04: CDRs keep their index; everything else about a month is the same."""
    evidence = month.evidence()
    shuffled = list(evidence.cdrs)
    random.Random(len(shuffled)).shuffle(shuffled)
    first, second = (
        settle(evidence, month.agreements),
        settle(replace(evidence, cdrs=tuple(shuffled)), month.agreements),
    )
    assert second.findings == first.findings
    assert second.verdicts == first.verdicts
    assert second.net == first.net
    assert second.transfers == first.transfers


@pytest.mark.parametrize("month", [pytest.param(month, id=name) for name, month in SCENARIOS.items()])
def test_the_whole_input_twice_changes_no_position(month: Month) -> None:
    """A05, P04: whatever is sent again is dropped."""
    once = month.outcome()
    evidence = month.evidence()
    again = tuple(replace(one, index=one.index + len(evidence.cdrs)) for one in evidence.cdrs)
    twice = settle(replace(evidence, cdrs=evidence.cdrs + again), month.agreements)
    assert twice.net == once.net
    assert twice.owed == once.owed
    assert {index: twice.verdicts[index] for index in once.verdicts} == once.verdicts
    assert {twice.verdicts[one.index].value for one in again} == {"DROP"}
    added = [finding for finding in twice.findings if finding not in once.findings]
    assert {finding.check.kind for finding in added} == {"DUPLICATE_CDR"}


# --- what is owed ----------------------------------------------------------------------------


def to_pay(outcome: Outcome) -> list[tuple[str, str, str, str, str]]:
    """Transfers: payer, payee, currency, without VAT and with it."""
    return [
        (str(one.payer), str(one.payee), one.currency, str(one.amount.excl_vat), str(one.amount.incl_vat))
        for one in outcome.transfers
    ]


def test_a_cpo_that_always_rounds_up_is_told_and_its_claims_settle() -> None:
    """P07: ten CDRs, each a cent too much."""
    rounded = [on_day(day, cdr(total_cost=cost(9.01, 10.72)), f"R{day}") for day in range(6, 16)]
    outcome = settle(evidence_of(*rounded), NO_AGREEMENTS)
    assert told(outcome.findings) == [warning("SYSTEMATIC_ROUNDING_BIAS"), *[info("ROUNDING_DIFFERENCE")] * 10]
    assert net_of(outcome) == {CPO: Decimal("90.10"), EMSP: Decimal("-90.10")}


def test_a_claim_in_another_currency_than_agreed_is_held() -> None:
    """A11."""
    agreed = Agreements((Agreement(id="DEABC-NLMSP", creditor=CPO, debtor=EMSP, currency="CHF"),))
    outcome = settle(evidence_of(*USUAL), agreed)
    assert told(outcome.findings) == [error("CURRENCY_MISMATCH"), error("CURRENCY_MISMATCH")]
    assert net_of(outcome) == {CPO: Decimal("28.00"), OTHER_EMSP: Decimal("-28.00")}


HYBRID = Party("BE", "EMO")
"""OTHER_EMSP, which has chargers of its own too."""

THREE: Mapping[Party, frozenset[Role]] = {**PARTIES, HYBRID: frozenset({Role.CPO, Role.EMSP})}


def of_hybrid(content: Content, name: str) -> Content:
    """The same charge at a charger of HYBRID, under tariffs of HYBRID."""
    text = encode_json(content).replace(
        b'"country_code":"DE","party_id":"ABC"', b'"country_code":"BE","party_id":"EMO"'
    )
    moved: Content = decode_json(text.replace(b"DE*ABC*", b"BE*EMO*"))
    return {**moved, "id": name, "session_id": f"S-{name}"}


def three_parties(*cdrs: Content | Arrival, **others: Any) -> Outcome:
    """A month in which HYBRID has the same chargers and tariffs as CPO."""
    both = {
        "locations": [location(), of_hybrid(location(), "LOC1")],
        "tariffs": [tariff(), dc_tariff(), of_hybrid(tariff(), "T-AC"), of_hybrid(dc_tariff(), "T-DC")],
    }
    return settle(evidence_of(*cdrs, parties=THREE, **{**both, **others}), NO_AGREEMENTS)


def test_three_parties_settle_with_two_payments() -> None:
    """M: EMSP owes 18.00 to CPO and 9.00 to HYBRID, which owes 28.00 to CPO."""
    outcome = three_parties(*USUAL, of_hybrid(cdr(), "H1"))
    assert told(outcome.findings) == []
    assert {(str(pair.creditor), str(pair.debtor)): owed.cdrs for pair, owed in outcome.owed.items()} == {
        ("BE/EMO", "NL/MSP"): 1,
        ("DE/ABC", "BE/EMO"): 1,
        ("DE/ABC", "NL/MSP"): 2,
    }
    assert net_of(outcome) == {CPO: Decimal("46.00"), EMSP: Decimal("-27.00"), HYBRID: Decimal("-19.00")}
    assert to_pay(outcome) == [
        ("NL/MSP", "DE/ABC", "EUR", "27.00", "32.13"),
        ("BE/EMO", "DE/ABC", "EUR", "19.00", "22.61"),
    ]


def test_what_two_parties_owe_each_other_is_netted() -> None:
    """M: HYBRID's own drivers at its own chargers owe nobody anything."""
    token_at_home = of_hybrid(dc_cdr(), "H2")
    outcome = three_parties(on_day(4, dc_cdr(), "U2"), token_at_home)
    assert told(outcome.findings) == []
    assert net_of(outcome) == {CPO: Decimal("28.00"), HYBRID: Decimal("-28.00")}


def test_the_same_id_of_two_owners_is_no_duplicate() -> None:
    """A05, A06: an id belongs to its owner; so do sessions and connectors."""
    outcome = three_parties(cdr(), of_hybrid(cdr(), "C1") | {"session_id": "S1", "cdr_token": dc_cdr()["cdr_token"]})
    assert "DUPLICATE_CDR" not in [kind for kind, _, _ in told(outcome.findings)]
    assert [verdict.value for verdict in outcome.verdicts.values()] == ["SETTLE", "SETTLE"]


def test_currencies_are_settled_apart() -> None:
    """M: francs of one place, euros of another; each adds up to nothing by itself."""
    francs = tariff(id="T-CHF", currency="CHF")
    swiss = cdr(
        id="F1",
        session_id="S-F1",
        currency="CHF",
        tariffs=[francs],
        charging_periods__0__tariff_id="T-CHF",
        charging_periods__1__tariff_id="T-CHF",
    )
    offering = location(evses__0__connectors__0__tariff_ids=["T-AC", "T-CHF"])
    outcome = settle(
        evidence_of(*USUAL, swiss, tariffs=[tariff(), dc_tariff(), francs], locations=[offering]), NO_AGREEMENTS
    )
    assert told(outcome.findings) == []
    assert net_of(outcome, "CHF") == {CPO: Decimal("9.00"), EMSP: Decimal("-9.00")}
    assert net_of(outcome) == {CPO: Decimal("46.00"), EMSP: Decimal("-18.00"), OTHER_EMSP: Decimal("-28.00")}
    assert [(payer, currency) for payer, _, currency, _, _ in to_pay(outcome)] == [
        ("NL/MSP", "CHF"),
        ("BE/EMO", "EUR"),
        ("NL/MSP", "EUR"),
    ]


def test_views_of_two_emsps_are_held_against_what_is_addressed_to_each() -> None:
    """D06, D08: one lacks a CDR, the other holds one with another total."""
    views = {
        EMSP: {"U1": Cost(Decimal("9.00"), Decimal("10.71"))},
        OTHER_EMSP: {"U2": Cost(Decimal("27.00"), Decimal("32.13"))},
    }
    outcome = settle(evidence_of(*USUAL, views=views), NO_AGREEMENTS)
    assert told(outcome.findings) == [error("EMSP_CDR_DIFFERS"), error("EMSP_CDR_MISSING")]
    assert [verdict.value for verdict in outcome.verdicts.values()] == ["SETTLE", "HOLD", "HOLD"]


CROWDED = [cdr(), cdr(id="C2", session_id="S2", start_date_time="2026-10-10T09:50:00Z", cdr_token__uid="TOKEN9")]
FAST = cdr(charging_periods__0=period("2026-10-10T08:00:00Z", ENERGY=60, TIME=1.5), total_energy=60)


@pytest.mark.parametrize(
    ("kind", "contents", "others", "tolerances"),
    [
        pytest.param(
            "OVERLAPPING_SESSIONS",
            CROWDED,
            {"tokens": TWO_TOKENS},
            Tolerances(overlap_seconds=Decimal(600)),
            id="ten minutes of overlap",
        ),
        pytest.param(
            "SESSION_CDR_ENERGY_MISMATCH",
            [cdr()],
            {"sessions": [session_of(cdr(), kwh=15)]},
            Tolerances(session_energy_rel=Decimal("0.25")),
            id="a quarter less energy",
        ),
        pytest.param(
            "ENERGY_ABOVE_PHYSICAL_LIMIT",
            [FAST],
            {},
            Tolerances(physical_margin=Decimal(1)),
            id="twice the power of the connector",
        ),
        pytest.param(
            "SESSION_WITHOUT_CDR",
            [],
            {"sessions": [session_of(cdr())]},
            Tolerances(cdr_grace_days=Decimal(30)),
            id="a month of grace",
        ),
    ],
)
def test_the_tolerances_of_a_run_are_those_of_its_checks(
    kind: str, contents: list[Content], others: dict[str, Any], tolerances: Tolerances
) -> None:
    """C01, D03, D05, E03."""
    usual = settle(evidence_of(*contents, **others), NO_AGREEMENTS)
    tolerant = settle(evidence_of(*contents, tolerances=tolerances, **others), NO_AGREEMENTS)
    assert kind in [finding.check.kind for finding in usual.findings]
    assert kind not in [finding.check.kind for finding in tolerant.findings]


# --- what comes after the close, and what was settled before -------------------------------------------


AFTER_THE_CLOSE = "2026-11-08T10:00:00Z"


@pytest.mark.parametrize(
    ("timely", "late"),
    [
        pytest.param([cdr()], credit_of(cdr()), id="a credit"),
        pytest.param([cdr(), cdr(id="C2")], credit_of(cdr()), id="a credit of a session that is billed twice"),
        pytest.param(
            [cdr()], cdr(id="C2", session_id="S-OTHER", cdr_token__uid="T9"), id="an overlap on the same connector"
        ),
        pytest.param(
            [priced_by(tariff(), 99, **NO_PARTS)], credit_of(priced_by(tariff(), 99, **NO_PARTS)), id="of a wrong one"
        ),
    ],
)
def test_what_comes_after_the_close_changes_nothing_of_the_month(timely: list[Content], late: Content) -> None:
    """I02: a closed period is never opened again."""
    others: dict[str, Any] = {
        "tokens": [token(), other_token(), token(uid="T9")],
        "sessions": [session_of(one) for one in timely[:1]],
    }
    before = settle(evidence_of(*timely, **others), NO_AGREEMENTS)
    after = settle(evidence_of(*timely, Arrival(late, AFTER_THE_CLOSE), **others), NO_AGREEMENTS)
    assert [after.verdicts[index] for index in before.verdicts] == [*before.verdicts.values()]
    assert after.net == before.net
    assert after.verdicts[len(timely)].value in {"DEFER", "HOLD"}


def test_a_session_counts_as_it_was_known_at_the_close() -> None:
    """E03."""
    states = [session_of(cdr()), session_of(cdr(), kwh=1, last_updated="2026-11-20T00:00:00Z")]
    sessions = last_states((read_session(decode_json(encode_json(one))) for one in states), PERIOD.closes_at)
    assert [one.energy for one in sessions.values()] == [20]
    assert [one.energy for one in last_states(map(read_session, states[1:]), PERIOD.closes_at).values()] == [1]


def test_a_credit_of_an_earlier_month_settles_whatever_was_wrong_with_its_original() -> None:
    """Invariant 4, I02: that was judged where the original was settled."""
    dear = on_day(3, priced_by(tariff(), 99, **NO_PARTS), "OLD")
    text = json.dumps(json.loads(encode_json(dear))).replace("2026-10-03", "2026-09-20")
    original = decode_json(text.encode())
    credit = Arrival(credit_of(original), "2026-10-20T00:00:00Z")
    outcome = settle(
        evidence_of(Arrival(original, "2026-09-21T00:00:00Z"), credit, sessions=[session_of(original)]), NO_AGREEMENTS
    )
    assert [verdict.value for verdict in outcome.verdicts.values()] == ["DROP", "SETTLE"]
    assert [finding.check.kind for finding in outcome.findings] == ["EARLIER_PERIOD"]
    assert net_of(outcome) == {CPO: Decimal("-99"), EMSP: Decimal("99")}


@pytest.mark.parametrize("currency", [None, 5, "", "EURO"], ids=str)
def test_an_amount_in_no_currency_is_held(currency: Any) -> None:
    """A01, A11."""
    outcome = settle(evidence_of(cdr(currency=currency)), NO_AGREEMENTS)
    assert [verdict.value for verdict in outcome.verdicts.values()] == ["HOLD"]
    assert outcome.net == {}


@pytest.mark.parametrize(
    "changes", [{"end_date_time": "9999-12-31T23:59:59Z"}, {"start_date_time": "0001-01-01T00:00:00Z"}]
)
def test_a_charge_at_the_end_of_time_ends_no_run(changes: Content) -> None:
    odd = Arrival(cdr(**changes), "2026-10-12T00:00:00Z")
    outcome = settle(evidence_of(odd, *USUAL, sessions=[session_of(one) for one in USUAL]), NO_AGREEMENTS)
    assert [outcome.verdicts[index].value for index in (1, 2, 3)] == ["SETTLE"] * 3
    assert outcome.verdicts[0].value != "SETTLE"


def test_a_charge_that_ends_before_it_starts_is_told_once() -> None:
    """A08: what follows from it is not told again."""
    swapped = cdr(start_date_time=cdr()["end_date_time"], end_date_time=cdr()["start_date_time"])
    outcome = settle(evidence_of(swapped, sessions=[session_of(cdr())]), NO_AGREEMENTS)
    assert "SESSION_CDR_TIME_MISMATCH" not in {finding.check.kind for finding in outcome.findings}
    assert "NEGATIVE_DURATION" in {finding.check.kind for finding in outcome.findings}
