"""Clauses of agreements and what obeys them: prices, scope, signed data, netting (point 1)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.agreements import Agreement, Agreements, EvseGroup
from hub.settlement.bundle import Faults, Spot
from hub.settlement.evidence import Evidence
from hub.settlement.netting import Transfer
from hub.settlement.run import Outcome, settle
from hub.settlement.terms_file import read_agreement
from tests.settlement.cases import (
    CPO,
    EMSP,
    Content,
    cdr,
    credit_of,
    dc_cdr,
    evidence_of,
    findings_of,
    session_of,
    tariff,
)


def agreed(**clauses: Any) -> Agreements:
    """An agreement of CPO and EMSP with these clauses."""
    faults = Faults()
    agreement = read_agreement({"agreement": "DEABC-NLMSP", **clauses}, Spot(faults, "terms"))
    faults.raise_if_any()
    assert agreement is not None
    return Agreements((agreement,))


def outcome(evidence: Evidence, agreements: Agreements) -> Outcome:
    return settle(evidence, agreements)


def claiming(excl_vat: str, incl_vat: str, **more: Any) -> Content:
    """The AC charge, which costs 9.00 by its own tariff, with another claim and no parts."""
    cost = {"excl_vat": Decimal(excl_vat), "incl_vat": Decimal(incl_vat)}
    return cdr(total_cost=cost, total_energy_cost=None, total_parking_cost=None, **more)


# --- prices ------------------------------------------------------------------------------------

DEARER = tariff(
    id="AGREED", elements=[{"price_components": [{"type": "ENERGY", "price": 0.5, "vat": 19, "step_size": 1}]}]
)


@pytest.mark.parametrize(
    ("pricing", "claim", "expected"),
    [
        pytest.param({}, ("9.00", "10.71"), [], id="by its own tariff"),
        pytest.param({}, ("9.45", "11.2455"), ["PRICE_MISMATCH"], id="too much by its own tariff"),
        pytest.param({"mode": "markup", "markup": 5}, ("9.45", "11.2455"), [], id="five percent on top"),
        pytest.param({"mode": "markup", "markup": "-10"}, ("8.10", "9.639"), [], id="ten percent off"),
        pytest.param(
            {"mode": "markup", "markup": 5}, ("9.60", "11.424"), ["PRICE_MISMATCH"], id="more than the markup"
        ),
        pytest.param({"mode": "agreed_book", "book": [DEARER]}, ("10.00", "11.90"), [], id="the only tariff of a book"),
        pytest.param(
            {"mode": "agreed_book", "book": [DEARER]}, ("10.50", "12.495"), ["PRICE_MISMATCH"], id="more than the book"
        ),
        pytest.param(
            {"mode": "agreed_book", "book": [DEARER, tariff()]}, ("9.00", "10.71"), [], id="the one that a period names"
        ),
    ],
)
def test_a_claim_is_compared_with_the_prices_that_were_agreed(
    pricing: Content, claim: tuple[str, str], expected: list[str]
) -> None:
    """G05: the pricing mode of the agreement."""
    content = claiming(*claim)
    evidence = evidence_of(content, sessions=[session_of(content)])
    assert [kind for kind, _ in findings_of(evidence, agreed(pricing=pricing))] == expected


def test_a_finding_says_that_other_prices_were_agreed() -> None:
    evidence = evidence_of(claiming("10.50", "12.495"))
    (finding,) = outcome(evidence, agreed(pricing={"mode": "agreed_book", "book": [DEARER]})).findings
    assert finding.details["priced_by"] == "agreed_book"
    assert "the agreed prices make EUR 10.00" in finding.sentence


def test_prices_of_other_agreements_stay_as_they_are() -> None:
    assert findings_of(evidence_of(dc_cdr()), agreed(pricing={"mode": "markup", "markup": 50})) == []


def test_a_limit_of_a_tariff_gets_the_markup_too() -> None:
    limited = tariff(min_price={"excl_vat": 20.0, "incl_vat": 23.8})
    content = claiming("22.00", "26.18", tariffs=[limited])
    evidence = evidence_of(content, tariffs=[limited], sessions=[session_of(content)])
    assert findings_of(evidence, agreed(pricing={"mode": "markup", "markup": 10})) == []


# --- scope -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "is_covered"),
    [
        pytest.param({"evse_ids": ["DE*ABC*E1"]}, True, id="the EVSE"),
        pytest.param({"evse_ids": ["deabce1"]}, True, id="without separators, in lower case"),
        pytest.param({"evse_ids": ["DE*ABC*E2"]}, False, id="another EVSE"),
        pytest.param({"evse_id_prefixes": ["DE*ABC*"]}, True, id="what the id begins with"),
        pytest.param({"evse_id_prefixes": ["DE*ABC*E2"]}, False, id="another beginning"),
        pytest.param({"location_ids": ["loc1"]}, True, id="the Location"),
        pytest.param({"location_ids": ["LOC2"]}, False, id="another Location"),
        pytest.param({"evse_ids": ["DE*ABC*E9"], "location_ids": ["LOC1"]}, True, id="one of both is enough"),
    ],
)
def test_an_agreement_may_be_about_a_group_of_evses(scope: Content, is_covered: bool) -> None:
    """M01: scope."""
    expected = [] if is_covered else [("NO_AGREEMENT", "C1")]
    assert findings_of(evidence_of(cdr()), agreed(scope=scope)) == expected


@pytest.mark.parametrize(
    ("one", "other", "do_meet"),
    [
        pytest.param(EvseGroup(), EvseGroup(frozenset({"A"})), True, id="everything meets anything"),
        pytest.param(EvseGroup(frozenset({"A"})), EvseGroup(frozenset({"B"})), False, id="two EVSEs"),
        pytest.param(EvseGroup(frozenset({"A"})), EvseGroup(frozenset({"A"})), True, id="one EVSE"),
        pytest.param(
            EvseGroup(frozenset({"AB"})), EvseGroup(prefixes=frozenset({"A"})), True, id="one by its beginning"
        ),
        pytest.param(
            EvseGroup(prefixes=frozenset({"AB"})),
            EvseGroup(prefixes=frozenset({"A"})),
            True,
            id="a beginning in another",
        ),
        pytest.param(
            EvseGroup(prefixes=frozenset({"AB"})), EvseGroup(prefixes=frozenset({"AC"})), False, id="two beginnings"
        ),
        pytest.param(
            EvseGroup(location_ids=frozenset({"L"})), EvseGroup(location_ids=frozenset({"M"})), False, id="two places"
        ),
        pytest.param(
            EvseGroup(location_ids=frozenset({"L"})), EvseGroup(frozenset({"A"})), True, id="where A is nobody knows"
        ),
    ],
)
def test_two_groups_meet_where_an_evse_could_be_in_both(one: EvseGroup, other: EvseGroup, do_meet: bool) -> None:
    assert (one.meets(other), other.meets(one)) == (do_meet, do_meet)
    pair = {"creditor": CPO, "debtor": EMSP}
    assert Agreement(**pair, evses=one).overlaps(Agreement(**pair, evses=other)) is do_meet  # type: ignore[arg-type]  # by table


# --- signed data -------------------------------------------------------------------------------

SIGNED = {"encoding_method": "OCMF", "signed_values": [{"nature": "End", "plain_data": "x", "signed_data": "OCMF|x"}]}


@pytest.mark.parametrize(
    ("clause", "content", "expected"),
    [
        pytest.param("required", cdr(), ["SIGNED_DATA_MISSING"], id="required, and not there"),
        pytest.param("required", cdr(signed_data=SIGNED), [], id="required, and there"),
        pytest.param(
            "required", cdr(signed_data={**SIGNED, "signed_values": []}), ["SIGNED_DATA_MISSING"], id="nothing"
        ),
        pytest.param("optional", cdr(), [], id="not asked for"),
    ],
)
def test_signed_data_are_missed_where_the_agreement_requires_them(
    clause: str, content: Content, expected: list[str]
) -> None:
    """H01."""
    kinds = [kind for kind, _ in findings_of(evidence_of(content), agreed(terms={"signed_data": clause}))]
    assert [kind for kind in kinds if kind.startswith("SIGNED")] == expected


def test_the_credit_of_a_charge_without_signed_data_is_no_second_finding() -> None:
    evidence = evidence_of(cdr(), credit_of(cdr()))
    found = findings_of(evidence, agreed(terms={"signed_data": "required"}))
    assert [subject for kind, subject in found if kind == "SIGNED_DATA_MISSING"] == ["C1"]


# --- netting -----------------------------------------------------------------------------------


def moved(transfers: tuple[Transfer, ...]) -> list[tuple[str, str, str]]:
    return [(str(one.payer), str(one.payee), f"{one.amount.excl_vat:f}") for one in transfers]


@pytest.mark.parametrize(
    ("netting", "expected"),
    [
        pytest.param(
            "multilateral",
            [("BE/EMO", "DE/ABC", "28.00"), ("NL/MSP", "DE/ABC", "8.50"), ("NL/MSP", "NL/HUB", "0.50")],
            id="all",
        ),
        pytest.param(
            "gross",
            [("NL/MSP", "DE/ABC", "9.00"), ("BE/EMO", "DE/ABC", "27.50"), ("BE/EMO", "NL/HUB", "0.50")],
            id="one pair by itself",
        ),
    ],
)
def test_a_run_transfers_as_the_pairs_agreed(netting: str, expected: list[tuple[str, str, str]]) -> None:
    """Point 10: transfers follow the netting mode, positions do not."""
    fee = {"per_session": "0.5", "payer": "creditor"}
    agreements = agreed(terms={"netting": netting}, pricing={"fee": fee})
    found = outcome(evidence_of(cdr(), dc_cdr()), agreements)
    assert sorted(moved(found.transfers)) == sorted(expected)
    other = replace(agreements, known=(replace(agreements.known[0], netting="bilateral"),))
    assert outcome(evidence_of(cdr(), dc_cdr()), other).net == found.net
