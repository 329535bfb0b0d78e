"""A11, B11, G01, G02: the tariffs of a CDR."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from hub.pricing.charge import read_charge
from hub.pricing.interface import RequestText, book_of, zone_of
from hub.pricing.policy import DEFAULT, Policy
from hub.pricing.pricer import Priced, price
from hub.settlement.agreements import Agreement, Agreements
from hub.settlement.case import Case
from hub.settlement.checks.tariffs import (
    TOLD_AS_THEY_ARE,
    a11_currency,
    b11_tariffs_are_embedded,
    g01_tariff_as_published,
    g01_tariff_is_known,
    g02_doubts,
    g02_right_tariff,
)
from hub.settlement.findings import Disposition, Severity
from ocpi_modules.types import encode_json
from tests.pricing.cases import all_cases
from tests.settlement.cases import (
    ABSENT,
    CPO,
    EMSP,
    Content,
    case_in,
    case_of,
    cdr,
    credit_of,
    dc_tariff,
    evidence_of,
    findings_of,
    location,
    period,
    said_by,
    session_of,
    tariff,
    token,
    verdicts_of,
)

HOLD, SETTLE, REPORT = Disposition.HOLD, Disposition.SETTLE, Disposition.REPORT


def costs(kwh_price: Any, **changes: Any) -> Content:
    """The tariff of the AC EVSE with another price a kWh."""
    return tariff(elements__0__price_components__0__price=kwh_price, **changes)


# --- whether there is a price ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "tariffs", "said"),
    [
        pytest.param({}, [], [], id="embedded and not published"),
        pytest.param({"tariffs": ABSENT}, None, [], id="published and not embedded"),
        pytest.param({"tariffs": ABSENT}, [], [("MISSING_TARIFF", HOLD)], id="neither"),
        pytest.param({"charging_periods__1__tariff_id": "T9"}, None, [("MISSING_TARIFF", HOLD)], id="one period"),
        pytest.param({"tariffs__0__elements": "free"}, None, [("TARIFF_INVALID", HOLD)], id="embedded and unreadable"),
        pytest.param({"tariffs": ABSENT}, [{**dc_tariff(), "elements": 7}, tariff()], [], id="another is unreadable"),
        pytest.param({"charging_periods": 3}, None, [], id="no charge at all, which the form of the CDR tells"),
    ],
)
def test_a_cdr_that_cannot_be_priced_is_held(
    changes: Content, tariffs: list[Content] | None, said: list[tuple[str, Disposition]]
) -> None:
    """G01, T7: MISSING_TARIFF."""
    assert said_by(g01_tariff_is_known, case_in(evidence_of(cdr(**changes), tariffs=tariffs))) == said


def test_a_cdr_without_a_known_start_needs_one_tariff_only() -> None:
    """G02, X1: AMBIGUOUS_TARIFF."""
    content = cdr(
        start_date_time="1970-01-01T00:00:00Z",
        charging_periods__0__tariff_id=ABSENT,
        charging_periods__1__tariff_id=ABSENT,
        tariffs=[tariff(), dc_tariff()],
    )
    assert said_by(g01_tariff_is_known, case_in(evidence_of(content))) == [("AMBIGUOUS_TARIFF", REPORT)]


@pytest.mark.parametrize(
    ("cdr_currency", "session_currency", "agreed", "said"),
    [
        pytest.param("EUR", "EUR", "EUR", [], id="all in euro"),
        pytest.param("EUR", "EUR", None, [], id="nothing was agreed"),
        pytest.param("USD", "USD", None, ["tariff"], id="the tariff in another one"),
        pytest.param("EUR", "CHF", None, ["session"], id="the session in another one"),
        pytest.param("EUR", "EUR", "CHF", ["agreement"], id="the agreement in another one"),
        pytest.param("USD", "EUR", "EUR", ["tariff", "session", "agreement"], id="told once for all of them"),
        pytest.param("XQZ", "XQZ", None, ["tariff"], id="no currency at all, told as another one"),
    ],
)
def test_a_cdr_in_another_currency_than_its_tariff_session_or_agreement_is_held(
    cdr_currency: str, session_currency: str, agreed: str | None, said: list[str]
) -> None:
    """A11, T8: nothing is converted."""
    content = cdr(currency=cdr_currency)
    evidence = evidence_of(content, sessions=[session_of(content, currency=session_currency)])
    agreements = Agreements((Agreement(id="A", creditor=CPO, debtor=EMSP, currency=agreed),))
    found = list(a11_currency(case_in(evidence, 0, agreements)))
    assert [sorted(set(finding.details) - {"cdr"}) for finding in found] == ([sorted(said)] if said else [])
    assert all(finding.disposition is HOLD for finding in found)


# --- the version that was published ----------------------------------------------------------


def embedding(embedded: Content, *published: Content, total: Any = None) -> Case:
    """A CDR that embeds a tariff, others being published; it claims what the embedded one makes, or another total."""
    prices = {"total_energy_cost": ABSENT, "total_parking_cost": ABSENT}
    total_cost = {} if total is None else {"total_cost": {"excl_vat": total}}
    return case_in(evidence_of(cdr(tariffs=[embedded], **prices, **total_cost), tariffs=published))


@pytest.mark.parametrize(
    ("case", "said"),
    [
        pytest.param(embedding(tariff(), tariff()), [], id="the same"),
        pytest.param(
            embedding(tariff(tariff_alt_url="https://example.com", last_updated="2026-09-30T00:00:00Z"), tariff()),
            [],
            id="what bears on no price may differ",
        ),
        pytest.param(embedding(costs("0.400"), costs("0.4")), [], id="the same number written otherwise"),
        pytest.param(embedding(costs(0.5), costs(0.4), total=11), [HOLD], id="dearer"),
        pytest.param(embedding(costs(0.3), costs(0.4), total=7), [SETTLE], id="cheaper"),
        pytest.param(
            embedding(costs(0.5), costs(0.4), total=9), [SETTLE], id="dearer, the claim is what was published"
        ),
        pytest.param(
            embedding(costs(0.4), costs(0.5, last_updated="2026-10-10T08:00:01Z")), [], id="published after the start"
        ),
        pytest.param(
            embedding(costs(0.5), costs(0.4), costs(0.5, last_updated="2026-10-10T08:00:00Z"), total=11),
            [],
            id="the last version until the start counts",
        ),
        pytest.param(embedding(costs(0.4), dc_tariff()), [], id="never published"),
    ],
)
def test_a_tariff_in_a_cdr_is_the_version_in_force_when_the_session_began(case: Case, said: list[Disposition]) -> None:
    """G01, T6: TARIFF_CONTENT_MISMATCH; held where it is dearer for this CDR."""
    expected = [("TARIFF_CONTENT_MISMATCH", disposition) for disposition in said]
    assert said_by(g01_tariff_as_published, case) == expected


# --- the right tariff ------------------------------------------------------------------------


def named(used: Content, *, offered: list[str], others: list[Content] | None = None, **changes: Any) -> Case:
    """A CDR priced with a tariff, on a connector that offers some."""
    place = location(evses__0__connectors__0__tariff_ids=offered)
    content = cdr(
        tariffs=[used],
        charging_periods=[period("2026-10-10T08:00:00Z", used["id"], ENERGY=20, TIME=2)],
        **changes,
    )
    return case_in(evidence_of(content, locations=[place], tariffs=[used, *(others or [])]))


DEAR, CHEAP = costs(0.9, id="DEAR"), costs(0.1, id="CHEAP")


@pytest.mark.parametrize(
    ("case", "said"),
    [
        pytest.param(named(tariff(), offered=["T-AC"]), [], id="offered"),
        pytest.param(named(tariff(), offered=["t-ac"]), [], id="ids are compared without case"),
        pytest.param(named(DEAR, offered=[]), [], id="nobody knows what is offered"),
        pytest.param(named(DEAR, offered=["T-AC"], others=[tariff()]), [HOLD], id="not offered and dearer"),
        pytest.param(named(CHEAP, offered=["T-AC"], others=[tariff()]), [SETTLE], id="not offered and cheaper"),
        pytest.param(named(DEAR, offered=["T9"]), [SETTLE], id="not offered, and what is offered is not known"),
        pytest.param(
            named(DEAR, offered=["T-AC"], others=[tariff()], total_cost={"excl_vat": 8}),
            [SETTLE],
            id="the claim is by the right one after all",
        ),
        pytest.param(
            named({**DEAR, "type": "AD_HOC_PAYMENT"}, offered=["T-AC", "DEAR"], others=[tariff()]),
            [HOLD],
            id="for payment at the charge point",
        ),
        pytest.param(
            named({**tariff(), "type": "AD_HOC_PAYMENT"}, offered=["T-AC"], cdr_token__type="AD_HOC_USER"),
            [],
            id="for payment at the charge point, and that is how it was paid",
        ),
        pytest.param(
            named({**DEAR, "end_date_time": "2026-10-10T07:59:59Z"}, offered=["T-AC", "DEAR"], others=[tariff()]),
            [HOLD],
            id="no longer valid",
        ),
        pytest.param(
            named({**DEAR, "start_date_time": "2026-10-10T08:00:01Z"}, offered=["T-AC", "DEAR"], others=[tariff()]),
            [HOLD],
            id="not yet valid",
        ),
        pytest.param(
            named({**DEAR, "end_date_time": "2026-10-10T08:00:00Z"}, offered=["DEAR"]), [], id="valid until the start"
        ),
        pytest.param(
            named({**DEAR, "type": "PROFILE_FAST"}, offered=["DEAR", "T-AC"], others=[tariff()]),
            [REPORT],
            id="of a profile that somebody may have asked for",
        ),
    ],
)
def test_the_tariff_of_a_cdr_is_one_that_was_offered_fits_and_was_valid(case: Case, said: list[Disposition]) -> None:
    """G02: WRONG_TARIFF; held where it is dearer than the one that should count."""
    assert said_by(g02_right_tariff, case) == [("WRONG_TARIFF", disposition) for disposition in said]


def test_the_profile_of_the_token_is_a_preference() -> None:
    """G02, T4: default_profile_type."""
    used = {**DEAR, "type": "PROFILE_GREEN"}
    content = cdr(tariffs=[used], charging_periods=[period("2026-10-10T08:00:00Z", "DEAR", ENERGY=20, TIME=2)])
    place = location(evses__0__connectors__0__tariff_ids=["DEAR"])
    evidence = evidence_of(content, locations=[place], tokens=[token(default_profile_type="GREEN")])
    assert said_by(g02_right_tariff, case_in(evidence)) == []


def test_a_cdr_in_letters_that_name_no_currency_is_held() -> None:
    """A11: even where its tariff is in them too; told once, and not of its credit again."""
    content = cdr(currency="XQZ", tariffs__0__currency="XQZ")
    evidence = evidence_of(content, credit_of(content), tariffs=[tariff(currency="XQZ")])
    assert findings_of(evidence) == [("CURRENCY_MISMATCH", "C1")]
    assert verdicts_of(evidence) == ["HOLD", "HOLD"]


# --- what is odd about it --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param(
            {"charging_periods__0__tariff_id": ABSENT, "charging_periods__1__tariff_id": ABSENT},
            ["TARIFF_ID_MISSING"],
            id="no period names a tariff",
        ),
        pytest.param(
            {"tariffs__0__elements__0__price_components__0__step_size": 0}, ["TARIFF_INVALID"], id="no step_size"
        ),
        pytest.param(
            {
                "charging_periods__0__dimensions": [{"type": "ENERGY", "volume": 20}],
                "tariffs__0__elements__0__price_components__1__type": "TIME",
            },
            ["DIMENSION_MISSING"],
            id="priced time is not stated",
        ),
        pytest.param(
            {"tariffs__0__elements__0__restrictions": {"end_time": "10:30"}},
            ["MISSING_PERIOD_BOUNDARY"],
            id="a price changes inside a period",
        ),
        pytest.param(
            {"tariffs__0__elements__0__restrictions": {"min_current": 16}},
            ["INSUFFICIENT_DATA"],
            id="nothing proves a current",
        ),
    ],
)
def test_what_the_pricer_finds_odd_is_told_and_changes_nothing(changes: Content, kinds: list[str]) -> None:
    """C08, G01, G02, G03: one finding a kind, however many periods."""
    found = list(g02_doubts(case_of(**changes)))
    assert [finding.check.kind for finding in found] == kinds
    assert {(finding.severity, finding.disposition) for finding in found} <= {(Severity.WARNING, REPORT)}


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        pytest.param({}, [], id="embedded"),
        pytest.param({"tariffs": ABSENT}, [], id="none is embedded"),
        pytest.param({"tariffs__0__id": "T-DC"}, ["TARIFF_NOT_EMBEDDED"], id="another one is embedded"),
    ],
)
def test_a_cdr_that_embeds_tariffs_embeds_those_that_it_names(changes: Content, kinds: list[str]) -> None:
    """B11."""
    assert [kind for kind, _ in said_by(b11_tariffs_are_embedded, case_of(**changes))] == kinds


def priced_cases() -> Iterator[Priced]:
    """Every file in `fixtures/pricing` that has a price."""
    for case in all_cases():
        request = msgspec.json.decode(encode_json(case.request), type=RequestText)
        charge = read_charge(request.cdr)
        policy = Policy.read(request.policy) if request.policy else DEFAULT
        result = price(charge, book_of(request, charge), policy, zone_of(request))
        if isinstance(result, Priced):
            yield result


def test_what_is_told_of_the_pricers_warnings_is_among_its_uncertainties() -> None:
    """G02: all of them, in their order; what the text of a charge shows by itself is seen by other checks."""
    priced = list(priced_cases())
    told = [[one for one in each.warnings if one.kind in TOLD_AS_THEY_ARE] for each in priced]
    assert {one.kind for warnings in told for one in warnings} >= {"DIMENSION_MISSING", "MISSING_PERIOD_BOUNDARY"}
    assert told == [[one for one in each.uncertainties if one.kind in TOLD_AS_THEY_ARE] for each in priced]
    assert all(one in each.warnings for each in priced for one in each.uncertainties)
