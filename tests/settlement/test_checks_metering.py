"""C09, D07, H02 to H07: CDRs against what their meters signed (H01 is in test_clauses); the records are really signed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hub.metering import MeterKey
from hub.settlement.case import Case
from hub.settlement.checks.metering import (
    c09_register_never_falls,
    d07_one_reading_one_cdr,
    h02_signature,
    h03_energy,
    h04_time,
    h05_token,
    h06_complete,
    h07_readable,
)
from hub.settlement.evidence import Evidence
from hub.settlement.findings import Disposition, Severity
from tests.metering.records import (
    AT_THE_METER,
    BEGIN_AT,
    BEHIND_THE_CABLE,
    END_AT,
    OTHER_KEY,
    Content,
    charge,
    payload,
    public,
    reading,
    signed,
    signed_data,
    value,
)
from tests.settlement.cases import (
    CPO,
    OTHER_EMSP,
    case_in,
    cdr,
    credit_of,
    evidence_of,
    findings_of,
    other_token,
    said_by,
    session_of,
    tariff,
    token,
    verdicts_of,
)

HOLD, SETTLE, REPORT = Disposition.HOLD, Disposition.SETTLE, Disposition.REPORT
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
EVSE, METER = "E1", "M-1"


def with_key(evidence: Evidence, name: str = EVSE, key: str | None = None, valid_from: datetime = LONG_AGO) -> Evidence:
    """The same, with a key that is registered for an EVSE or a meter."""
    return replace(evidence, meter_keys={(CPO, name): (MeterKey(key or public(), valid_from),)})


def metered(data: Content | None = None, **changes: Any) -> Content:
    """The CDR of the world with signed data: those of its charge unless told otherwise."""
    return cdr(signed_data=charge() if data is None else data, **changes)


def case(data: Content | None = None, **changes: Any) -> Case:
    """That CDR beside its key."""
    return case_in(with_key(evidence_of(metered(data, **changes))))


def later(hours: int = 3, **changes: Any) -> Content:
    """Another charge of the same day, metered from 120 to 140 kWh."""
    begin, end = f"2026-10-10T{8 + hours:02}:00:00Z", f"2026-10-10T{10 + hours:02}:00:00Z"
    parked = f"2026-10-10T{9 + hours:02}:30:00Z"
    times = {"B": f"2026-10-10T{8 + hours:02}:00:00,000+0000 S", "E": f"2026-10-10T{10 + hours:02}:00:00,000+0000 S"}
    record = payload(reading("B", 120, TM=times["B"]), reading("E", 140, TM=times["E"]), page=8)
    content = {
        "id": "C9",
        "session_id": "S9",
        "start_date_time": begin,
        "end_date_time": end,
        "last_updated": end,
        "charging_periods__0__start_date_time": begin,
        "charging_periods__1__start_date_time": parked,
        "signed_data": signed_data(value(signed(record))),
    }
    return cdr(**{**content, **changes})


# --- where they speak at all ----------------------------------------------------------------


WRONG = charge(key=OTHER_KEY)


@pytest.mark.parametrize(
    ("evidence", "kinds"),
    [
        pytest.param(evidence_of(metered(WRONG)), [], id="no key"),
        pytest.param(with_key(evidence_of(metered(WRONG))), ["SIGNATURE_WRONG"], id="a key of the EVSE"),
        pytest.param(with_key(evidence_of(metered(WRONG)), "E2"), [], id="a key of another EVSE"),
        pytest.param(
            with_key(evidence_of(metered(WRONG, meter_id="m-1")), METER), ["SIGNATURE_WRONG"], id="a key of the meter"
        ),
        pytest.param(
            with_key(evidence_of(metered(WRONG)), valid_from=datetime(2026, 10, 10, 8, 0, 1, tzinfo=UTC)),
            [],
            id="a key that was not good yet",
        ),
        pytest.param(
            with_key(evidence_of(metered(WRONG)), valid_from=datetime(2026, 10, 10, 8, tzinfo=UTC)),
            ["SIGNATURE_WRONG"],
            id="a key that is good from the start on",
        ),
        pytest.param(with_key(evidence_of(cdr())), [], id="H01: no signed data, which nothing requires"),
        pytest.param(with_key(evidence_of(metered())), [], id="all is right"),
    ],
)
def test_without_a_registered_key_nothing_is_said(evidence: Evidence, kinds: list[str]) -> None:
    assert [kind for kind, _ in findings_of(evidence)] == kinds


def test_the_last_key_that_was_good_is_taken() -> None:
    """A meter that was replaced in the middle of the year."""
    old, new = MeterKey(public(OTHER_KEY), LONG_AGO), MeterKey(public(), datetime(2026, 10, 1, tzinfo=UTC))
    later_one = MeterKey(public(OTHER_KEY), datetime(2026, 10, 11, tzinfo=UTC))
    keys = {(CPO, EVSE): (old, new, later_one)}
    assert findings_of(replace(evidence_of(metered()), meter_keys=keys)) == []
    assert findings_of(replace(evidence_of(metered(WRONG)), meter_keys=keys)) == [("SIGNATURE_WRONG", "C1")]


def test_a_credited_cdr_and_its_credit_are_left_alone() -> None:
    evidence = with_key(evidence_of(metered(WRONG), credit_of(metered(WRONG))))
    assert findings_of(evidence) == []


# --- H02, H06, H07 ---------------------------------------------------------------------------


def changed(text: str) -> str:
    return text.replace("120", "110")


TAMPERED = signed_data(value(signed(payload(reading("B", 90), reading("E", 120)), changed=changed)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(charge(), [], id="signed with the registered key"),
        pytest.param(WRONG, [("SIGNATURE_WRONG", HOLD)], id="signed with another"),
        pytest.param(
            {**WRONG, "public_key": public(OTHER_KEY)},
            [("SIGNATURE_WRONG", HOLD)],
            id="another, that the CDR vouches for",
        ),
        pytest.param(TAMPERED, [("SIGNATURE_WRONG", HOLD)], id="changed after it was signed"),
        pytest.param(signed_data(value("x"), encoding="Alfen"), [], id="unreadable is no wrong signature"),
    ],
)
def test_h02_signatures_are_those_of_the_registered_key(data: Content, said: list[tuple[str, Disposition]]) -> None:
    assert said_by(h02_signature, case(data)) == said


def test_a_wrong_signature_is_told_alone() -> None:
    """What data say that nobody vouches for is of no interest: 30 kWh that were not signed."""
    assert findings_of(with_key(evidence_of(metered(TAMPERED)))) == [("SIGNATURE_WRONG", "C1")]


@pytest.mark.parametrize(
    ("data", "is_said"),
    [
        pytest.param(charge(), False, id="complete"),
        pytest.param(signed_data(value(signed(payload(reading("E", 120))))), True, id="no begin"),
        pytest.param(signed_data(value(signed(payload(reading("B", 100))))), True, id="no end"),
        pytest.param(
            signed_data(value(signed(payload(reading("B", 100), reading("E", 120, ST="S"))))), True, id="a substitute"
        ),
        pytest.param(WRONG, False, id="nothing is said of what is not believed"),
    ],
)
def test_h06_signed_data_are_complete(data: Content, is_said: bool) -> None:
    assert said_by(h06_complete, case(data)) == ([("SIGNED_DATA_INCOMPLETE", HOLD)] if is_said else [])


@pytest.mark.parametrize(
    ("data", "is_said"),
    [
        pytest.param(charge(), False, id="OCMF"),
        pytest.param(WRONG, False, id="OCMF of another key"),
        pytest.param(signed_data(value("x"), encoding="EDL40 Mennekes"), True, id="EDL40"),
        pytest.param(signed_data(value("x")), True, id="OCMF in name only"),
        pytest.param(signed_data(), True, id="no values"),
    ],
)
def test_h07_what_cannot_be_read_is_information(data: Content, is_said: bool) -> None:
    found = list(h07_readable(case(data)))
    assert [(one.check.kind, one.severity, one.disposition) for one in found] == (
        [("SIGNED_DATA_UNREADABLE", Severity.INFO, REPORT)] if is_said else []
    )


# --- H03 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "total", "said"),
    [
        pytest.param(120, 20, [], id="equal"),
        pytest.param(119.98, 20, [], id="0.1 % more than signed"),
        pytest.param(119.979, 20, [HOLD], id="more than 0.1 % more than signed"),
        pytest.param(120.02, 20, [], id="0.1 % less than signed"),
        pytest.param(120.021, 20, [SETTLE], id="less than signed: the creditor may ask for less"),
        pytest.param(100.5, 0.501, [], id="a watt-hour more"),
        pytest.param(100.5, 0.5011, [HOLD], id="more than a watt-hour more"),
        pytest.param(99, 20, [HOLD], id="a register that falls"),
    ],
)
def test_h03_energy_is_what_was_signed(end: float, total: float, said: list[Disposition]) -> None:
    subject = case(charge(100, end), total_energy=total, charging_periods__0__dimensions__0__volume=total)
    found = list(h03_energy(subject))
    assert [one.disposition for one in found] == said
    assert [one.severity for one in found] == [Severity.ERROR if one is HOLD else Severity.WARNING for one in said]


def test_h03_losses_in_the_cable_are_not_billed() -> None:
    """20 kWh left the meter, 19.8 reached the car."""
    registers = [(AT_THE_METER, 20.0), (BEHIND_THE_CABLE, 19.8)]
    readings = [
        reading(moment, kwh if moment == "E" else 0, RI=register) for moment in "BE" for register, kwh in registers
    ]
    (found,) = h03_energy(case(signed_data(value(signed(payload(*readings))))))
    assert found.details == {"cdr_kwh": 20, "signed_kwh": Decimal("19.8")}


def test_h03_is_told_in_place_of_the_session_and_b02_in_place_of_h03() -> None:
    dearer: dict[str, Any] = {"total_energy": 21, "charging_periods__0__dimensions__0__volume": 21}
    asked_for = {
        "total_cost": {"excl_vat": 9.4, "incl_vat": 11.19},
        "total_energy_cost": {"excl_vat": 8.4, "incl_vat": 10},
    }
    more = metered(**dearer, **asked_for)
    assert findings_of(with_key(evidence_of(more, sessions=[session_of(cdr())]))) == [("SIGNED_ENERGY_MISMATCH", "C1")]
    only_total = evidence_of(metered(total_energy=21), sessions=[session_of(cdr())])
    assert findings_of(with_key(only_total)) == findings_of(only_total) == [("ENERGY_SUM_MISMATCH", "C1")]


def test_h03_watt_hours_are_told_as_that() -> None:
    wrong = metered(total_energy=20_000)
    assert findings_of(with_key(evidence_of(wrong))) == [("ENERGY_UNIT_ERROR", "C1")]


def test_h03_is_silent_where_data_are_incomplete() -> None:
    data = signed_data(value(signed(payload(reading("B", 100, ST="M"), reading("E", 190)))))
    assert findings_of(with_key(evidence_of(metered(data)))) == [("SIGNED_DATA_INCOMPLETE", "C1")]


# --- H04 -------------------------------------------------------------------------------------


def timed(begin: str = BEGIN_AT, end: str = END_AT) -> Content:
    """The charge of the world by another clock."""
    return signed_data(value(signed(payload(reading("B", 100, TM=begin), reading("E", 120, TM=end)))))


@pytest.mark.parametrize(
    ("data", "changes", "is_said"),
    [
        pytest.param(timed(), {}, False, id="equal"),
        pytest.param(timed("2026-10-10T10:02:00,999+0200 S"), {}, False, id="two minutes later"),
        pytest.param(timed("2026-10-10T10:02:01,000+0200 S"), {}, True, id="more than two minutes later"),
        pytest.param(timed(end="2026-10-10T11:57:59,000+0200 S"), {}, True, id="an end that is too early"),
        pytest.param(timed("2026-10-10T08:00:00,000+0200 R"), {}, True, id="two hours: a zone that is forgotten"),
        pytest.param(timed("2026-10-10T10:00:00,000+0200 I"), {}, True, id="time is billed by an informative clock"),
        pytest.param(timed("2020-01-01T00:00:00,000+0000 U"), {}, True, id="time is billed by an unknown clock"),
        pytest.param(
            timed("2020-01-01T00:00:00,000+0000 U", "2020-01-01T02:00:00,000+0000 U"),
            {"tariffs": [tariff(elements=[{"price_components": [{"type": "ENERGY", "price": 0.45, "step_size": 1}]}])]},
            False,
            id="an unknown clock where only energy is billed",
        ),
        pytest.param(
            timed("2026-10-10T10:00:00,000+0200 R", "2026-10-10T12:00:00,000+0200 R"), {}, False, id="relative time"
        ),
        pytest.param(
            timed("2026-10-09T10:00:00,000+0200 S"),
            {"start_date_time": "1970-01-01T00:00:00Z"},
            False,
            id="unknown start",
        ),
        pytest.param(timed("nonsense S"), {}, True, id="a time that nobody can read is an unknown one"),
    ],
)
def test_h04_times_are_those_that_were_signed(data: Content, changes: dict[str, Any], is_said: bool) -> None:
    assert said_by(h04_time, case(data, **changes)) == ([("SIGNED_TIME_MISMATCH", REPORT)] if is_said else [])


# --- H05 -------------------------------------------------------------------------------------

UID = {"cdr_token__uid": "04a2b9c1"}


@pytest.mark.parametrize(
    ("kind", "signed_id", "changes", "said"),
    [
        pytest.param("ISO14443", "token1", {}, [], id="the uid, without case"),
        pytest.param("ISO14443", "04A2B9C1", UID, [], id="in hex"),
        pytest.param("ISO14443", "C1B9A204", UID, [], id="its bytes the other way round"),
        pytest.param("ISO14443", "04:A2:B9:C1", UID, [], id="with separators"),
        pytest.param("EMAID", "NLMSPC000000011", {}, [], id="the contract"),
        pytest.param("EMAID", "NLMSPC00000001", {}, [], id="the contract without check digit"),
        pytest.param("EMAID", "NLMSPC000000021", {}, [REPORT], id="another contract"),
        pytest.param("ISO14443", "DEADBEEF", {}, [REPORT], id="a card that nobody knows"),
        pytest.param("ISO14443", "token2", {}, [HOLD], id="a card of another driver"),
        pytest.param("CENTRAL", "4711", {}, [], id="a number of the charge point"),
        pytest.param("CENTRAL", "TOKEN2", {}, [HOLD], id="a number that is a token of another driver"),
        pytest.param("NONE", "", {}, [], id="nobody"),
    ],
)
def test_h05_who_charged_is_the_token(
    kind: str, signed_id: str, changes: dict[str, Any], said: list[Disposition]
) -> None:
    found = list(h05_token(case(charge(IT=kind, ID=signed_id), **changes)))
    assert [one.disposition for one in found] == said
    assert all(one.check.kind == "SIGNED_TOKEN_MISMATCH" for one in found)


def test_h05_another_token_of_the_same_contract_is_no_other_driver() -> None:
    second = token(uid="CARD9")
    evidence = with_key(evidence_of(metered(charge(ID="CARD9")), tokens=[token(), second]))
    assert said_by(h05_token, case_in(evidence)) == [("SIGNED_TOKEN_MISMATCH", REPORT)]
    stranger = other_token(uid="CARD9", country_code=OTHER_EMSP.country_code)
    evidence = with_key(evidence_of(metered(charge(ID="CARD9")), tokens=[token(), stranger]))
    assert said_by(h05_token, case_in(evidence)) == [("SIGNED_TOKEN_MISMATCH", HOLD)]


# --- D07, C09 --------------------------------------------------------------------------------


FIRST = metered()


def replayed() -> Content:
    """Another charge with what the meter signed for the first."""
    return later(signed_data=charge())


def test_d07_a_reading_stands_behind_one_cdr() -> None:
    """And what else does not fit is not told on top: times of another charge."""
    for order in ((FIRST, replayed()), (replayed(), FIRST)):
        evidence = with_key(evidence_of(*order))
        assert findings_of(evidence) == [("SIGNED_DATA_REPEATED", "C9")]
    assert verdicts_of(with_key(evidence_of(FIRST, replayed()))) == ["SETTLE", "HOLD"]
    assert findings_of(with_key(evidence_of(FIRST, later()))) == []


def test_d07_signed_or_written_anew_it_is_the_same_reading() -> None:
    record = payload(reading("B", 100), reading("E", 120))
    first = metered(signed_data(value(signed(record))))
    again = later(signed_data=signed_data(value(signed(record), encode=str)))
    assert findings_of(with_key(evidence_of(first, again))) == [("SIGNED_DATA_REPEATED", "C9")]


def test_d07_a_correction_may_have_the_data_of_its_original() -> None:
    again = metered(id="C5", last_updated="2026-10-11T12:00:00Z")
    evidence = with_key(evidence_of(FIRST, credit_of(FIRST), again))
    assert "SIGNED_DATA_REPEATED" not in [kind for kind, _ in findings_of(evidence)]


def test_d07_a_session_that_is_billed_twice_is_told_as_that() -> None:
    evidence = with_key(evidence_of(FIRST, metered(id="C5")))
    assert findings_of(evidence) == [("SESSION_BILLED_TWICE", "C5")]


@pytest.mark.parametrize(
    ("first_end", "register", "is_said"),
    [
        pytest.param(120, None, False, id="it goes on where it stopped"),
        pytest.param(119, None, False, id="something was used in between"),
        pytest.param(120.01, None, False, id="10 Wh back"),
        pytest.param(120.011, None, True, id="more than 10 Wh back"),
        pytest.param(500, AT_THE_METER, False, id="a register that begins anew with each charge"),
    ],
)
def test_c09_a_register_never_falls(first_end: float, register: str | None, is_said: bool) -> None:
    named = {} if register is None else {"RI": register}
    record = payload(reading("B", first_end - 20, **named), reading("E", first_end, **named), page=7)
    first = metered(signed_data(value(signed(record))))
    evidence = with_key(evidence_of(first, later()))
    assert findings_of(evidence) == ([("METER_RUNS_BACKWARDS", "C9")] if is_said else [])


def test_c09_compares_one_meter_with_itself() -> None:
    other = metered(signed_data(value(signed(payload(reading("B", 880), reading("E", 900), MS="METER2")))))
    assert findings_of(with_key(evidence_of(other, later()))) == []


@pytest.mark.parametrize(
    "odd",
    [
        None,
        3,
        [],
        "x",
        {"signed_values": [None]},
        {"signed_values": {"a": 1}},
        {"encoding_method": 3, "signed_values": []},
    ],
)
def test_odd_signed_data_stop_nothing(odd: Any) -> None:
    evidence = with_key(evidence_of(cdr(signed_data=odd)))
    for check in (h02_signature, h03_energy, h04_time, h05_token, h06_complete, c09_register_never_falls):
        assert said_by(check, case_in(evidence)) == []
    assert said_by(d07_one_reading_one_cdr, case_in(evidence)) == []
