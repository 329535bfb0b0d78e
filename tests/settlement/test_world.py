"""The small world of these tests is right by OCPI and by its own tariff, so that every finding in them comes from what a test changed."""

from __future__ import annotations

from typing import Any

import pytest

from hub.settlement.agreements import Agreements
from hub.settlement.run import settle
from ocpi_modules.cdrs import CDR
from ocpi_modules.locations import Location
from ocpi_modules.sessions import Session
from ocpi_modules.tariffs import Tariff
from ocpi_modules.tokens import Token
from ocpi_modules.types import OcpiObject
from tests.settlement import cases


@pytest.mark.parametrize(
    ("model", "content"),
    [
        pytest.param(CDR, cases.cdr(), id="AC charge"),
        pytest.param(CDR, cases.dc_cdr(), id="DC charge"),
        pytest.param(CDR, cases.credit_of(cases.cdr()), id="credit"),
        pytest.param(Session, cases.session_of(cases.cdr()), id="session"),
        pytest.param(Token, cases.token(), id="token"),
        pytest.param(Token, cases.other_token(), id="token of the other eMSP"),
        pytest.param(Location, cases.location(), id="location"),
        pytest.param(Tariff, cases.tariff(), id="AC tariff"),
        pytest.param(Tariff, cases.dc_tariff(), id="DC tariff"),
    ],
)
def test_every_object_of_the_world_is_right_by_ocpi(model: type[OcpiObject], content: dict[str, Any]) -> None:
    model.model_validate(content)


def test_the_world_raises_nothing() -> None:
    evidence = cases.evidence_of(cases.cdr(), cases.dc_cdr())
    assert cases.findings_of(evidence) == []
    assert cases.verdicts_of(evidence) == ["SETTLE", "SETTLE"]


def test_its_claims_are_what_its_tariffs_make_of_them() -> None:
    evidence = cases.evidence_of(cases.cdr(), cases.dc_cdr())
    outcome = settle(evidence, Agreements())
    for fact in evidence.cdrs:
        priced = outcome.pricings[fact.index].priced
        assert fact.total is not None
        assert priced is not None
        assert priced.total_cost.excl_vat == fact.total.excl_vat
        assert priced.total_cost.incl_vat == fact.total.incl_vat


def test_a_credit_of_the_world_raises_nothing() -> None:
    evidence = cases.evidence_of(cases.cdr(), cases.credit_of(cases.cdr()), cases.dc_cdr())
    assert cases.findings_of(evidence) == []
    assert cases.verdicts_of(evidence) == ["SETTLE"] * 3
