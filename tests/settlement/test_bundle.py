"""A bundle is read strictly as a container and leniently as to what is in it; agreements in YAML and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.bundle import (
    FAULTS_TOLD_MAX,
    TOLERANCE_MAX,
    Bundle,
    Faults,
    MalformedBundle,
    More,
    Spot,
    parts_of,
    party_text,
    read_parts,
    read_party,
)
from hub.settlement.countries import alpha_2, alpha_3
from hub.settlement.evidence import Held, Tolerances
from hub.settlement.facts import Cost, TokenKey
from hub.settlement.findings import Disposition
from hub.settlement.run import settle
from hub.settlement.terms_file import NotAgreements, decode_terms, read_agreements
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import decode_json, encode_json
from tests.settlement.cases import CPO, EMSP, Content, cdr, changed, location, session_of, tariff, token

ABSENT: Any = object()


def content(**changes: Any) -> Content:
    """A bundle with one CDR as JSON decodes it; `__` goes into objects and lists, ABSENT takes away."""
    bundle: Content = {
        "settlement_period": {
            "from": "2026-10-01T00:00:00Z",
            "to": "2026-11-01T00:00:00Z",
            "closes_at": "2026-11-05T18:00:00Z",
        },
        "parties": [
            {"country_code": "DE", "party_id": "ABC", "roles": ["CPO"]},
            {"country_code": "NL", "party_id": "MSP", "roles": ["EMSP"]},
        ],
        "input": {
            "locations": [location()],
            "tariffs": [tariff()],
            "tokens": [token()],
            "sessions": [session_of(cdr())],
            "cdrs": [{"received_at": "2026-10-10T10:05:00Z", "to": "NL-MSP", "cdr": cdr()}],
        },
    }
    for path, value in changes.items():
        *steps, last = path.split("__")
        place: Any = bundle
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        key = int(last) if isinstance(place, list) else last
        if value is ABSENT:
            del place[key]
        else:
            place[key] = value
    return bundle


def read(value: Any) -> Bundle:
    """A decoded bundle in a file `month.json`."""
    return read_parts(parts_of(value, Spot(Faults(), "month.json")))


def faults_of(value: Any) -> list[str]:
    """What is wrong with a bundle, a sentence for each."""
    with pytest.raises(MalformedBundle) as raised:
        read(value)
    return [str(fault) for fault in raised.value.faults]


def test_everything_in_a_bundle_becomes_evidence_under_its_own_name() -> None:
    evidence = read(content()).evidence
    assert evidence.period.start == datetime(2026, 10, 1, tzinfo=UTC)
    assert evidence.period.closes_at == datetime(2026, 11, 5, 18, tzinfo=UTC)
    assert evidence.parties == {CPO: frozenset({Role.CPO}), EMSP: frozenset({Role.EMSP})}
    assert [(fact.index, fact.id, fact.to) for fact in evidence.cdrs] == [(0, "C1", EMSP)]
    assert set(evidence.sessions) == {(CPO, "S1")}
    assert set(evidence.tokens) == {TokenKey("TOKEN1", "RFID")}
    assert set(evidence.tariffs) == {(CPO, "T-AC")} == {(owner, "T-AC") for owner in evidence.tariff_texts}
    assert set(evidence.locations) == {(CPO, "LOC1")}
    assert evidence.tolerances == Tolerances()
    assert evidence.as_of == evidence.period.closes_at


def test_what_a_session_and_its_cdrs_say_alike_is_kept_once() -> None:
    one, session = cdr(tariffs=[tariff()]), session_of(cdr())
    entries = [{"received_at": "2026-10-10T10:05:00Z", "to": "NL-MSP", "cdr": {**one, "id": id}} for id in ("C1", "C2")]
    told = decode_json(encode_json(content(input__cdrs=entries, input__sessions=[session])))
    evidence = read(told).evidence
    first, second = (fact.content for fact in evidence.cdrs)
    assert first["tariffs"][0] is second["tariffs"][0]
    assert evidence.sessions[CPO, "S1"].content["cdr_token"] is first["cdr_token"] is second["cdr_token"]


def test_lists_of_the_input_but_cdrs_may_be_left_out() -> None:
    assert read(content(input={"cdrs": []})).evidence.cdrs == ()
    assert faults_of(content(input={"sessions": []})) == ["month.json: input.cdrs is missing"]


@pytest.mark.parametrize(
    "to",
    [
        pytest.param("NL-MSP", id="as reports write it"),
        pytest.param("nl-msp", id="case does not matter"),
        pytest.param("NL/MSP", id="as the command line writes it"),
        pytest.param({"country_code": "NL", "party_id": "MSP"}, id="as an object"),
    ],
)
def test_a_party_may_be_written_in_each_of_these_ways(to: object) -> None:
    assert read(content(input__cdrs__0__to=to)).evidence.cdrs[0].to == EMSP


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("NLMSP", id="nothing between"),
        pytest.param("NL-", id="no party id"),
        pytest.param("NL-LONG", id="too long"),
        pytest.param({"country_code": "NL"}, id="half an object"),
        pytest.param(7, id="a number"),
        pytest.param(None, id="null"),
    ],
)
def test_what_is_no_party_is_none(value: object) -> None:
    assert read_party(value) is None


def test_a_party_is_written_as_it_is_read() -> None:
    assert party_text(Party("NL", "M-P")) == "NL-M-P"
    assert read_party("NL-M-P") == Party("NL", "M-P")


def test_a_party_with_the_role_of_a_hub_receives_the_fees_of_the_hub() -> None:
    parties = [*content()["parties"], {"country_code": "SE", "party_id": "NAV", "roles": ["HUB"], "name": "Nav"}]
    bundle = read(content(parties=parties))
    assert bundle.agreements.hub == Party("SE", "NAV")
    assert bundle.names == {Party("SE", "NAV"): "Nav"}


MALFORMED: list[Any] = [
    pytest.param([], ["it is no JSON object"], id="a list"),
    pytest.param({}, ["input is missing", "settlement_period is missing", "parties is missing"], id="an empty object"),
    pytest.param(content(tolerance={}), ["tolerance is not known; known are"], id="an unknown member"),
    pytest.param(content(input__cdr=[]), ["input.cdr is not known; known are"], id="an unknown list"),
    pytest.param(content(name=7), ["name is no text"], id="a name that is a number"),
    pytest.param(
        content(settlement_period={"start": "2026-10-01"}),
        [
            "settlement_period.start is not known",
            "settlement_period.from is missing",
            "settlement_period.to is missing",
            "settlement_period.closes_at is missing",
        ],
        id="a period with other names",
    ),
    pytest.param(
        content(settlement_period__from="2026-11-01T00:00:00Z"),
        ["settlement_period.to is not after settlement_period.from"],
        id="a period without time in it",
    ),
    pytest.param(
        content(settlement_period__closes_at="2026-10-31T00:00:00Z"),
        ["settlement_period.closes_at is before settlement_period.to"],
        id="a period that closes before it ends",
    ),
    pytest.param(
        content(settlement_period__to="next month"),
        ["settlement_period.to is no date and time (ISO 8601)"],
        id="a moment in words",
    ),
    pytest.param(
        content(settlement_period__to=20261101),
        ["settlement_period.to is no date and time (ISO 8601)"],
        id="a moment that is a number",
    ),
    pytest.param(content(parties__0__roles=["CPOO"]), ["parties[0].roles has a role that is none of"], id="no role"),
    pytest.param(content(parties__0__roles=[]), ["parties[0].roles is no list of roles"], id="no roles"),
    pytest.param(content(parties__1="NL-MSP"), ["parties[1].roles is missing"], id="a party without roles"),
    pytest.param(
        content(parties__0__roles=ABSENT, parties__0__role="CPO"),
        [
            "parties[0].role is not known; known are country_code, party_id, roles, name",
            "parties[0].roles is missing",
        ],
        id="a slip of the pen in the name of roles",
    ),
    pytest.param(
        content(parties__0__website="https://example.com"),
        ["parties[0].website is not known"],
        id="a member of a party that nobody would look at",
    ),
    pytest.param(content(parties__0__name=7), ["parties[0].name is no text"], id="the name of a party is a number"),
    pytest.param(content(parties__1__party_id="TOOLONG"), ["parties[1] names no party"], id="a party id too long"),
    pytest.param(
        content(parties__1={"country_code": "de", "party_id": "abc", "roles": ["EMSP"]}),
        ["parties[1] is DE-ABC again"],
        id="a party twice",
    ),
    pytest.param(content(tolerances={"overlap": 60}), ["tolerances.overlap is not known"], id="an unknown tolerance"),
    pytest.param(
        content(tolerances={"overlap_seconds": "a minute"}),
        ["tolerances.overlap_seconds is no number and no text of one"],
        id="a tolerance in words",
    ),
    pytest.param(
        content(tolerances={"overlap_seconds": True}),
        ["tolerances.overlap_seconds is no number and no text of one"],
        id="a tolerance that is true",
    ),
    pytest.param(
        content(tolerances={"cdr_grace_days": -1}),
        ["tolerances.cdr_grace_days is not between 0 and"],
        id="a negative tolerance",
    ),
    pytest.param(
        content(tolerances={"cdr_grace_days": Decimal("1E+99")}),
        ["tolerances.cdr_grace_days is no number"],
        id="an absurd tolerance",
    ),
    pytest.param(
        content(tolerances={"as_of": "soon"}),
        ["tolerances.as_of is no date and time"],
        id="a moment in words as tolerance",
    ),
    pytest.param(
        content(tolerances={"as_of": "0001-01-01T00:00:00Z"}),
        ["tolerances.as_of is not between the years 1000 and 9000"],
        id="a moment that days cannot be taken from",
    ),
    pytest.param(
        content(settlement_period__closes_at="9999-12-31T23:59:59Z"),
        ["settlement_period.closes_at is not between the years 1000 and 9000"],
        id="a moment that days cannot be added to",
    ),
    pytest.param(content(input__cdrs={}), ["input.cdrs is no list"], id="CDRs that are no list"),
    pytest.param(content(input__cdrs__0=7), ["input.cdrs[0] is no JSON object"], id="an entry that is a number"),
    pytest.param(
        content(input__cdrs__0__received_at=ABSENT),
        ["month.json: input.cdrs[0].received_at is missing"],
        id="an entry without received_at",
    ),
    pytest.param(content(input__cdrs__0__to=ABSENT), ["input.cdrs[0].to is missing"], id="an entry without to"),
    pytest.param(content(input__cdrs__0__to="MSP"), ["input.cdrs[0].to names no party"], id="an entry to nobody"),
    pytest.param(content(input__cdrs__0__cdr=ABSENT), ["input.cdrs[0].cdr is missing"], id="an entry without cdr"),
    pytest.param(content(input__cdrs__0__cdr=[]), ["input.cdrs[0].cdr is no JSON object"], id="a cdr that is a list"),
    pytest.param(
        content(input__cdrs__0__recieved_at="2026-10-10T10:05:00Z"),
        ["input.cdrs[0].recieved_at is not known; known are received_at, to, cdr"],
        id="a member of an entry that nobody would look at",
    ),
    pytest.param(content(input__sessions=["S1"]), ["input.sessions[0] is no JSON object"], id="a session that is text"),
    pytest.param(
        content(input__sessions=[{"id": "S1", "party_id": 7}]),
        ["input.sessions[0].country_code is missing", "input.sessions[0].party_id is no text, or empty"],
        id="a session without owner",
    ),
    pytest.param(content(input__tokens=[{**token(), "uid": ""}]), ["input.tokens[0].uid is no text"], id="no uid"),
    pytest.param(content(emsp_view={"MSP": {"cdrs": []}}), ["emsp_view.MSP is no party"], id="a view of nobody"),
    pytest.param(
        content(emsp_view={"NL-MSX": {"cdrs": []}}),
        ["emsp_view.NL-MSX is none of the parties"],
        id="a view of a party that is not in the file",
    ),
    pytest.param(
        content(emsp_view={"NL-MSP": {"cdrs": []}, "nl-msp": {"cdrs": []}}),
        ["emsp_view.nl-msp is NL-MSP again"],
        id="two views of one eMSP",
    ),
    pytest.param(
        content(emsp_view={"NL-MSP": {"cdrs": [], "cdr": []}}),
        ["emsp_view.NL-MSP.cdr is not known; known are cdrs"],
        id="a member of a view that nobody would look at",
    ),
    pytest.param(content(emsp_view={"NL-MSP": {}}), ["emsp_view.NL-MSP.cdrs is missing"], id="a view without CDRs"),
    pytest.param(
        content(emsp_view={"NL-MSP": {"cdrs": [{"total_cost": {}}]}}),
        ["emsp_view.NL-MSP.cdrs[0].id is missing"],
        id="a CDR without id in a view",
    ),
]


@pytest.mark.parametrize(("value", "expected"), MALFORMED)
def test_every_fault_of_the_container_is_told_with_file_place_and_field(value: Any, expected: list[str]) -> None:
    found = faults_of(value)
    assert len(found) == len(expected)
    for sentence, part in zip(found, expected, strict=True):
        assert sentence.startswith("month.json: ")
        assert part in sentence


def test_many_faults_are_counted_and_the_first_are_told() -> None:
    with pytest.raises(MalformedBundle, match=r"\nand 30 more$") as raised:
        read(content(input__cdrs=[7] * (FAULTS_TOLD_MAX + 30)))
    assert len(raised.value.faults) == FAULTS_TOLD_MAX


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({}, id="nothing in it"),
        pytest.param({"id": 7, "total_cost": "much", "charging_periods": 3}, id="nothing of its type"),
        pytest.param(changed(cdr(), end_date_time="yesterday", total_energy=-1), id="no end and less than no energy"),
    ],
)
def test_an_impossible_cdr_is_no_fault_of_the_bundle(odd: Content) -> None:
    assert len(read(content(input__cdrs__0__cdr=odd)).evidence.cdrs) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(30, Decimal(30), id="whole"),
        pytest.param(Decimal("0.1"), Decimal("0.1"), id="decimal"),
        pytest.param("0.1", Decimal("0.1"), id="text"),
    ],
)
def test_a_tolerance_is_a_number_or_a_text_of_one(value: Any, expected: Decimal) -> None:
    assert read(content(tolerances={"physical_margin": value})).evidence.tolerances.physical_margin == expected


def test_as_of_is_a_moment_of_its_own() -> None:
    tolerances = {"as_of": "2026-12-01T00:00:00+01:00"}
    assert read(content(tolerances=tolerances)).evidence.as_of == datetime(2026, 11, 30, 23, tzinfo=UTC)


def test_views_need_id_and_total_only_and_the_first_of_a_repeated_id_counts() -> None:
    held = [{"id": "c1", "total_cost": {"excl_vat": 9}}, {"id": "C1"}, {"id": "C2"}]
    view = read(content(emsp_view={"NL-MSP": {"cdrs": held}})).evidence.views[EMSP]
    assert view == {(None, "C1"): Held("c1", Cost(Decimal(9))), (None, "C2"): Held("C2")}


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        pytest.param({"excl_vat": "9.00", "incl_vat": "10.71"}, Cost(Decimal("9.00"), Decimal("10.71")), id="texts"),
        pytest.param({"excl_vat": Decimal("9.00")}, Cost(Decimal("9.00")), id="a number"),
        pytest.param(
            {"excl_vat": "-9.00", "incl_vat": 7}, Cost(Decimal("-9.00"), Decimal(7)), id="a text and a number"
        ),
        pytest.param({"excl_vat": "nine"}, None, id="a word"),
        pytest.param({"excl_vat": 9, "incl_vat": ""}, Cost(Decimal(9)), id="no VAT"),
        pytest.param("9.00", None, id="no price"),
    ],
)
def test_totals_in_a_view_are_numbers_or_texts_of_them(total: Any, expected: Cost | None) -> None:
    held = [{"id": "C1", "total_cost": total}]
    view = read(content(emsp_view={"NL-MSP": {"cdrs": held}})).evidence.views[EMSP]
    assert view[None, "C1"].total == expected


def test_cdrs_of_two_cpos_under_one_id_stand_apart_in_a_view_where_it_names_them() -> None:
    held = [
        {"country_code": "de", "party_id": "ABC", "id": "C1", "total_cost": {"excl_vat": 9}},
        {"country_code": "DE", "party_id": "XYZ", "id": "C1", "end_date_time": "2026-10-10T10:00:00Z"},
        {"country_code": "DE", "party_id": 7, "id": "C1"},
    ]
    view = read(content(emsp_view={"NL-MSP": {"cdrs": held}})).evidence.views[EMSP]
    assert view == {
        (CPO, "C1"): Held("C1", Cost(Decimal(9))),
        (Party("DE", "XYZ"), "C1"): Held("C1", end=datetime(2026, 10, 10, 10, tzinfo=UTC)),
        (None, "C1"): Held("C1"),
    }


def test_moments_at_the_ends_of_what_is_read_can_be_reckoned_with() -> None:
    tolerances = {"as_of": "1000-01-01T00:00:00Z", "cdr_grace_days": TOLERANCE_MAX}
    bundle = read(content(tolerances=tolerances, settlement_period__closes_at="8999-12-31T23:59:59Z"))
    assert settle(bundle.evidence, bundle.agreements).verdicts == {0: Disposition.SETTLE}


# --- agreements --------------------------------------------------------------------------------


def terms(text: str, *, is_yaml: bool = True) -> tuple[list[Any], list[str]]:
    """The agreements of a text, and what is wrong with them."""
    faults = Faults()
    found = read_agreements(decode_terms(text.encode(), is_yaml=is_yaml), Spot(faults, "terms.yaml"))
    return list(found), [str(fault) for fault in faults.kept]


WHOLE = """
- agreement: DEABC-NLMSP
  version: 2
  valid: {from: 2026-10-01, to: 2027-01-01T00:00:00Z}
  scope: {countries: [DE, NOR], token_types: [RFID]}
  pricing: {mode: as_cdr, fee: {per_session: "0.05", per_kwh: 0.100000000000001, percent: 1.5, payer: debtor, vat: 21}}
  rounding: {unit: "0.001", mode: half_even, at: cdr_total, step: per_period, parking: ev_not_requesting}
  tax: {model: commission, dealer_evidence: NL-2026-017}
  terms: {period: month, tz: Europe/Berlin, currency: eur, cdr_deadline: 30d, cutoff: "D+4T18:00", dispute_window: 35,
          silent_approval: true, billing: reverse, netting: bilateral, pay: 30d, bills_micro_sessions: false}
  checks: {C05: {disposition: HOLD}, LATE_DELIVERY: {severity: INFO}}
"""


def test_an_agreement_is_read_clause_by_clause() -> None:
    (agreement,), faults = terms(WHOLE)
    assert faults == []
    assert (agreement.id, agreement.version, agreement.creditor, agreement.debtor) == ("DEABC-NLMSP", 2, CPO, EMSP)
    assert agreement.valid_from == datetime(2026, 10, 1, tzinfo=UTC)
    assert agreement.valid_to == datetime(2027, 1, 1, tzinfo=UTC)
    assert (agreement.countries, agreement.token_types) == ({"DEU", "NOR"}, {"RFID"})
    assert (agreement.policy.rounding_mode, agreement.policy.rounding_exponent) == ("half_even", "3")
    assert agreement.policy.step_size == "period"
    (fee,) = agreement.fees
    assert (fee.payer, fee.payee, fee.vat) == ("debtor", "hub", Decimal(21))
    assert (fee.per_session, fee.per_kwh, fee.percent) == (
        Decimal("0.05"),
        Decimal("0.100000000000001"),
        Decimal("1.5"),
    )
    assert (agreement.currency, agreement.cdr_deadline_days, agreement.dispute_window_days) == ("EUR", 30, 35)
    assert (agreement.netting, agreement.bills_micro_sessions) == ("bilateral", False)
    assert agreement.checks["C05"].disposition is Disposition.HOLD


def test_yaml_and_json_say_the_same() -> None:
    plain = decode_terms(WHOLE.encode(), is_yaml=True)
    text = json.dumps(plain, default=lambda number: float(number)).replace("0.100000000000001", "0.100000000000001")
    assert decode_json(text.encode()) == plain
    assert terms(text, is_yaml=False) == terms(WHOLE)


def test_an_agreement_may_name_its_parties_apart_from_its_id() -> None:
    (agreement,), _ = terms(
        "agreements:\n- {agreement: A-7, creditor: DE-ABC, debtor: {country_code: NL, party_id: MSP}}"
    )
    assert (agreement.creditor, agreement.debtor) == (CPO, EMSP)


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        pytest.param({"agreement": "A-7"}, "[0].creditor and debtor have to be two parties", id="no parties"),
        pytest.param({"agreement": "DEABC-DEABC"}, "[0].creditor and debtor have to be two parties", id="one party"),
        pytest.param({"agreement": ""}, "[0].agreement is refused", id="no id"),
        pytest.param({"fees": []}, "[0].fees is not known", id="an unknown clause"),
        pytest.param({"pricing": {"mode": "agreed_book"}}, "[0].pricing.mode is refused", id="a price book"),
        pytest.param(
            {"pricing": {"mode": "agreed_book", "book": [{}]}}, "[0].pricing.book[0] is no tariff", id="no tariff"
        ),
        pytest.param({"pricing": {"mode": "markup"}}, "[0].pricing.mode is refused", id="a markup of nothing"),
        pytest.param({"pricing": {"markup": 5}}, "[0].pricing.markup belongs to the mode markup only", id="no mode"),
        pytest.param({"pricing": {"mode": "markup", "markup": -100}}, "[0].pricing.markup is not above", id="free"),
        pytest.param({"terms": {"exposure_limit": 5}}, "[0].terms.exposure_limit is an amount in", id="no currency"),
        pytest.param({"terms": {"exposure_limit": 0, "currency": "EUR"}}, "is not above zero", id="no exposure"),
        pytest.param(
            {"terms": {"dispute_answer": "0d"}}, "[0].terms.dispute_answer is no time", id="no time to answer"
        ),
        pytest.param({"terms": {"signed_data": "maybe"}}, "[0].terms.signed_data is refused", id="signed data"),
        pytest.param({"terms": {"cutoff": "on the fifth"}}, "[0].terms.cutoff is no time after", id="no cut-off"),
        pytest.param({"terms": {"period": "week"}}, "[0].terms.period is refused", id="weeks are not settled"),
        pytest.param({"scope": {"evse_ids": [""]}}, "[0].scope.evse_ids[0] is no text", id="an EVSE without id"),
        pytest.param({"tax": {"rate": 101}}, "[0].tax.rate is not between", id="a rate"),
        pytest.param({"pricing": {"fee": {"per_session": 1}}}, "[0].pricing.fee.payer is missing", id="no payer"),
        pytest.param(
            {"pricing": {"fee": {"percent": 101, "payer": "debtor"}}}, "[0].pricing.fee.percent is not", id="%"
        ),
        pytest.param(
            {"pricing": {"policy": {"step": "none"}}},
            "[0].pricing.policy is refused: policy.step is not",
            id="policy",
        ),
        pytest.param({"rounding": {"unit": "0.05"}}, "[0].rounding.unit is not one of", id="rounding to 5 cents"),
        pytest.param({"rounding": {"at": "component"}}, "[0].rounding.at is refused", id="rounding of parts"),
        pytest.param({"terms": {"cdr_deadline": "1 month"}}, "[0].terms.cdr_deadline is no number of days", id="month"),
        pytest.param({"scope": {"countries": ["XX"]}}, "[0].scope.countries[0] is no country", id="no country"),
        pytest.param({"valid": {"from": "2027-01-01", "to": "2026-01-01"}}, "[0].valid.to is not after", id="no time"),
        pytest.param({"checks": {"C99": {}}}, "[0].checks.C99 is no check of the catalogue", id="no check"),
        pytest.param({"checks": {"C05": {"energy_kwh": 1}}}, "[0].checks.C05.energy_kwh is not known", id="no setting"),
    ],
)
def test_a_clause_that_could_not_be_honoured_is_refused_by_name(clause: Mapping[str, Any], expected: str) -> None:
    _, faults = terms(json.dumps([{"agreement": "DEABC-NLMSP", **clause}]), is_yaml=False)
    assert len(faults) == 1
    assert expected in faults[0]


@pytest.mark.parametrize(
    ("seats", "expected"),
    [
        pytest.param(("DE-ABC", "NL-MSP"), [], id="both are there"),
        pytest.param(("DE-ABD", "NL-MSP"), ["whose creditor DE-ABD is none of the parties"], id="no such creditor"),
        pytest.param(("DE-ABC", "NL-MSQ"), ["whose debtor NL-MSQ is none of the parties"], id="no such debtor"),
        pytest.param(("FR-AAA", "FR-BBB"), ["creditor FR-AAA is none", "debtor FR-BBB is none"], id="of other people"),
    ],
)
def test_an_agreement_in_a_bundle_is_between_its_parties(seats: tuple[str, str], expected: list[str]) -> None:
    spot = Spot(Faults(), "month.json")
    items = [{"agreement": "A-7", "creditor": seats[0], "debtor": seats[1]}]
    found = read_agreements(items, spot.at("agreements"))
    if not expected:
        assert read_parts(parts_of(content(), spot, More(found))).agreements.known == found
        return
    with pytest.raises(MalformedBundle) as raised:
        read_parts(parts_of(content(), spot, More(found)))
    for fault, part in zip(raised.value.faults, expected, strict=True):
        assert str(fault).startswith("month.json: agreements has A-7, whose ")
        assert part in str(fault)


def test_agreements_from_elsewhere_may_be_about_other_people_too() -> None:
    found = read_agreements([{"agreement": "FRAAA-FRBBB"}], Spot(Faults(), "all.yaml"))
    assert read_parts(parts_of(content(), Spot(Faults(), "month.json")), More(found)).agreements.known == found


def test_the_same_version_of_an_agreement_twice_is_refused() -> None:
    _, faults = terms("- agreement: DEABC-NLMSP\n- agreement: DEABC-NLMSP")
    assert faults == ["terms.yaml: [1] is version 1 of DEABC-NLMSP again"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("{a: 1", "is not YAML", id="cut off"),
        pytest.param("a: &x 1\nb: *x", "aliases are not read", id="an alias"),
        pytest.param("a: 1\na: 2", "a key stands twice", id="a key twice"),
        pytest.param("a: !!python/object:os.system x", "is not YAML", id="an object of a language"),
        pytest.param("[" * 5000, "is not YAML", id="nested without end"),
        pytest.param("a: " + "x" * (4 * 1024 * 1024), "is longer than", id="too long"),
    ],
)
def test_yaml_that_is_more_than_plain_values_is_refused(text: str, expected: str) -> None:
    with pytest.raises(NotAgreements, match=expected):
        decode_terms(text.encode(), is_yaml=True)


def test_yaml_is_read_as_json_means_it() -> None:
    read_yaml = decode_terms(b"[NO, yes, true, null, 012, 1.50, 1e3, 2026-10-01, 12:30, '7']", is_yaml=True)
    assert read_yaml == ["NO", "yes", True, None, "012", Decimal("1.50"), "1e3", "2026-10-01", "12:30", "7"]
    assert str(read_yaml[5]) == "1.50"


def test_countries_are_known_by_two_and_three_letters() -> None:
    assert (alpha_3("de"), alpha_3("NLD"), alpha_3("ZZ"), alpha_3("")) == ("DEU", "NLD", None, None)
    assert (alpha_2("DEU"), alpha_2("nl"), alpha_2("SWE"), alpha_2("ZZZ")) == ("DE", "NL", "SE", None)
