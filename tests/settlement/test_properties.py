"""What holds for any period: of copies, reused ids, credits right and wrong, replacements, overlaps and late arrivals, in any order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.settlement.agreements import Agreements
from hub.settlement.evidence import by_token, by_version, last_states
from hub.settlement.facts import key_of, read_cdr, read_session, read_version
from hub.settlement.findings import STRICTNESS, Disposition, Severity
from hub.settlement.netting import Amount
from hub.settlement.relations import relate
from hub.settlement.run import Outcome, settle
from hub.settlement.verdicts import without_consequences
from ocpi_modules.parties import Party
from ocpi_modules.types import format_datetime
from tests.settlement.cases import (
    CPO,
    EMSP,
    PERIOD,
    Arrival,
    cdr,
    credit_of,
    dc_cdr,
    evidence_of,
    fact_of,
    location,
    session_of,
    subject_of,
    token,
)

AT_THE_CLOSE = format_datetime(PERIOD.closes_at)
AFTER_ALL = format_datetime(PERIOD.closes_at + timedelta(hours=1))
HOURS = st.integers(0, 30 * 24).map(lambda hours: format_datetime(PERIOD.start + timedelta(hours=hours)))
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

CHARGES = st.builds(
    lambda charge, changes, number: charge(id=f"C{number}", session_id=f"S{number}", **changes),
    st.sampled_from([cdr, dc_cdr]),
    st.sampled_from(
        [
            {},
            {},
            {"total_cost": {"excl_vat": 9.5, "incl_vat": 11.305}},
            {"total_energy": 21},
            {"total_energy": 20000},
            {"remark": "again"},
            {"cdr_token__uid": "TOKEN9"},
            {"cdr_location__evse_uid": "E9"},
            {"end_date_time": "2026-11-02T00:00:00Z"},
            {"end_date_time": "2026-10-01T00:00:00Z"},
            {"currency": "SEK"},
        ]
    ),
    st.integers(1, 3),
)
CREDITS = st.builds(
    lambda charge, changes, number: credit_of(charge, **{"id": f"{charge['id']}-C{number}", **changes}),
    CHARGES,
    st.sampled_from([{}, {}, {}, {"total_cost": {"excl_vat": -1}}, {"credit": False}, {"credit_reference_id": "C9"}]),
    st.integers(1, 2),
)
ARRIVALS = st.lists(st.builds(Arrival, CHARGES | CREDITS, HOURS | st.just(AT_THE_CLOSE)), max_size=7)


def settled(arrivals: list[Arrival]) -> Outcome:
    """A run over CDRs and the sessions of the first three charges."""
    sessions = [session_of(cdr(id=f"C{number}", session_id=f"S{number}")) for number in (1, 2, 3)]
    return settle(evidence_of(*arrivals, sessions=sessions), Agreements())


def fate(outcome: Outcome) -> Counter[Any]:
    """What became of every CDR, whatever its place in the input."""
    return Counter((fact.received_at, fact.digest, outcome.verdicts[fact.index]) for fact in outcome.evidence.cdrs)


def told(outcome: Outcome) -> Counter[Any]:
    """What was found, whatever the places in the input."""
    return Counter(
        (one.check.id, one.check.kind, one.severity, one.disposition, subject_of(one)) for one in outcome.findings
    )


@few
@given(ARRIVALS, st.randoms())
def test_the_order_of_the_input_does_not_matter(arrivals: list[Arrival], random: Random) -> None:
    """P04."""
    shuffled = arrivals.copy()
    random.shuffle(shuffled)
    one, other = settled(arrivals), settled(shuffled)
    assert fate(one) == fate(other)
    assert told(one) == told(other)
    assert list(one.net.items()) == list(other.net.items())
    assert one.transfers == other.transfers


@few
@given(ARRIVALS)
def test_a_second_run_finds_the_same(arrivals: list[Arrival]) -> None:
    """P04: to the word."""
    one, other = settled(arrivals), settled(arrivals)
    assert one.findings == other.findings
    assert (one.verdicts, one.owed, one.net, one.transfers) == (other.verdicts, other.owed, other.net, other.transfers)


@few
@given(ARRIVALS.filter(bool), st.data())
def test_the_same_cdr_again_changes_nothing(arrivals: list[Arrival], data: st.DataObject) -> None:
    """A05: it is dropped, and that is all."""
    again = Arrival(data.draw(st.sampled_from(arrivals)).content, AFTER_ALL)
    before, after = settled(arrivals), settled([*arrivals, again])
    assert after.net == before.net
    assert fate(after) - fate(before) == Counter({(*_arrived(again), Disposition.DROP): 1})
    assert {kind for _, kind, *_ in told(after) - told(before)} == {"DUPLICATE_CDR"}


@few
@given(ARRIVALS)
def test_positions_are_the_sums_of_what_settles_and_add_up_to_zero(arrivals: list[Arrival]) -> None:
    """P02, P03."""
    outcome = settled(arrivals)
    sums: Counter[tuple[Party, str]] = Counter()
    for fact in outcome.evidence.cdrs:
        if outcome.verdicts[fact.index] is Disposition.SETTLE and fact.total is not None:
            sums[fact.owner, fact.currency] += fact.total.excl_vat  # type: ignore[assignment]  # exact, unlike a count
            sums[fact.to, fact.currency] -= fact.total.excl_vat  # type: ignore[assignment]
    assert {key: amount.excl_vat for key, amount in outcome.net.items()} == {key: sums[key] for key in outcome.net}
    for currency in {currency for _, currency in outcome.net}:
        assert sum((a for (_, c), a in outcome.net.items() if c == currency), Amount()).is_nothing


@few
@given(ARRIVALS)
def test_a_cdr_takes_the_strictest_of_what_is_found(arrivals: list[Arrival]) -> None:
    """P02: nothing is kept out of the period without a reason."""
    outcome = settled(arrivals)
    for finding in outcome.findings:
        for fact in finding.subject.cdrs:
            assert STRICTNESS[outcome.verdicts[fact.index]] >= STRICTNESS[finding.disposition]


@few
@given(ARRIVALS)
def test_what_is_held_or_dropped_is_an_error_and_what_is_an_error_is_held_or_dropped(arrivals: list[Arrival]) -> None:
    for finding in settled(arrivals).findings:
        is_kept_out = finding.disposition in {Disposition.HOLD, Disposition.DROP}
        assert is_kept_out is (finding.severity is Severity.ERROR)


@few
@given(ARRIVALS)
def test_a_credit_never_settles_while_its_original_waits(arrivals: list[Arrival]) -> None:
    """J02: original + credit = 0."""
    outcome = settled(arrivals)
    for original, credit in relate(outcome.evidence).credited_by.items():
        if outcome.verdicts[credit.index] is Disposition.SETTLE:
            assert outcome.verdicts[original] not in {Disposition.HOLD, Disposition.DEFER}


@few
@given(ARRIVALS)
def test_causes_have_no_causes(arrivals: list[Arrival]) -> None:
    """Whatever order findings come in, and however often they are looked through."""
    causes = list(settled(arrivals).findings)
    assert without_consequences(causes) == causes
    assert without_consequences(reversed(causes)) == causes


@few
@given(ARRIVALS)
def test_charges_that_are_credited_have_no_finding_about_energy_sessions_or_repetition(arrivals: list[Arrival]) -> None:
    """J02, B02, D01, D03."""
    outcome = settled(arrivals)
    credited = set(relate(outcome.evidence).credited_by)
    silent = {
        "SESSION_BILLED_TWICE",
        "OVERLAPPING_SESSIONS",
        "NEAR_DUPLICATE",
        "ENERGY_SUM_MISMATCH",
        "ENERGY_UNIT_ERROR",
    }
    for finding in outcome.findings:
        if finding.check.kind in silent:
            assert not credited & {fact.index for fact in finding.subject.cdrs}


def _arrived(arrival: Arrival) -> tuple[datetime, bytes]:
    fact = evidence_of(arrival).cdrs[0]
    return fact.received_at, fact.digest


def test_the_world_of_these_properties_settles_when_nothing_is_changed() -> None:
    outcome = settled([Arrival(cdr(id="C1", session_id="S1"))])
    assert list(outcome.verdicts.values()) == [Disposition.SETTLE]
    assert outcome.net[CPO, "EUR"].excl_vat == Decimal(9)


# --- whatever a CDR says -------------------------------------------------------------------------

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        "",
        "x" * 300,
        "1970-1-1T00:00:00Z",
        "2026-10-10T08:00:00+02:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        0,
        -1,
        10**40,
        Decimal("1e-40"),
        Decimal("1e999"),
        Decimal("-0.00"),
        [],
        [None, 7, {}],
        {},
        {"excl_vat": "9.00"},
    ]
)


def _paths(value: Any, so_far: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places in a decoded object."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [so_far] * bool(so_far) + [path for key, item in items for path in _paths(item, (*so_far, key))]


def _with(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The object with another value at a place, where there still is such a place."""
    if not path:
        return value
    if isinstance(content, dict):
        return {**content, path[0]: _with(content.get(path[0]), path[1:], value)}
    if isinstance(content, list):
        return [_with(item, path[1:], value) if at == path[0] else item for at, item in enumerate(content)]
    return content


def _spoilt(content: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    changes = st.lists(st.tuples(st.sampled_from(_paths(content)), ODD), max_size=3)
    return changes.map(lambda all_of_them: reduce(lambda one, change: _with(one, *change), all_of_them, content))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_spoilt(cdr()), _spoilt(credit_of(dc_cdr())), _spoilt(session_of(cdr())), _spoilt(location()), _spoilt(token()))
def test_whatever_is_said_a_run_ends_with_findings_and_positions(
    charge: Any, credit: Any, session: Any, place: Any, driver: Any
) -> None:
    """A01: an impossible object is a finding and no crash."""
    facts = (read_cdr(0, PERIOD.start, EMSP, charge), read_cdr(1, PERIOD.start, EMSP, credit), fact_of(dc_cdr(), 2))
    known = evidence_of(sessions=[])
    evidence = replace(
        known,
        cdrs=facts,
        sessions=last_states([read_session(session)]),
        locations=by_version([read_version(place, key_of(place.get("id")))]),
        tokens=by_token([read_version(driver, key_of(driver.get("uid")))]),
    )
    outcome = settle(evidence, Agreements())
    assert set(outcome.verdicts) == {0, 1, 2}
    assert all(finding.sentence for finding in outcome.findings)
