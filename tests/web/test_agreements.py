"""Agreements over HTTP, and what they do to CDRs: proposed, activated by another person, dated, ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.settlement.agreements import Agreement, with_default_before
from hub.settlement.bundle import Faults, Spot
from hub.settlement.terms_file import read_agreements
from hub.web.agreements import EXAMPLE, as_yaml
from ocpi_modules.types import encode_json
from tests.conftest import running_hub
from tests.databases import Databases
from tests.settlement.cases import CPO, EMSP, OTHER_EMSP, cdr, credit_of, dc_cdr
from tests.web.house import Office, listed
from tests.web.test_admin import assert_envelope

HUB = "NL/HUB"
TERMS: dict[str, Any] = {
    "agreement": "DEABC-NLMSP",
    "valid": {"from": "2026-10-01T00:00:00Z"},
    "pricing": {"fees": [{"per_session": "0.50", "per_kwh": "0.01", "percent": "1", "payer": "debtor", "vat": "21"}]},
}


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with furnished(database_url, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
async def standing_office(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """For tests that leave everything as it was."""
    async with databases.lent() as url, furnished(url, tmp_path_factory.mktemp("hub")) as made:
        yield made


@asynccontextmanager
async def furnished(database_url: str, folder: Path) -> AsyncIterator[Office]:
    async with running_hub(database_url, folder, settle_seconds=3600) as world:
        made = Office(world)
        await made.furnish()
        yield made
        await made.close()


async def propose(office: Office, terms: Any = TERMS, status: int = 201) -> Any:
    return await office.post("/agreements?actor=Ada", status, **terms)


async def activate(office: Office, status: int = 200, version: int = 1, actor: str = "Grace") -> Any:
    return await office.post(f"/agreements/DEABC-NLMSP/versions/{version}/activate", status, actor=actor)


async def test_an_agreement_is_proposed_by_one_person_and_activated_by_another(office: Office) -> None:
    shown = await propose(office)
    assert (shown["state"], shown["version"], shown["creditor"], shown["debtor"]) == ("PROPOSED", 1, "DE/ABC", "NL/MSP")
    assert "another person" in (await activate(office, 409, actor=" ada "))["status_message"]
    shown = await activate(office)
    assert (shown["state"], shown["proposed_by"], shown["activated_by"]) == ("ACTIVE", "Ada", "Grace")
    assert "already" in (await activate(office, 409))["status_message"]
    assert await listed(office, "/agreements") == [shown]
    assert await office.get("/agreements/DEABC-NLMSP") == [shown]


async def test_versions_are_numbered_and_listed(office: Office) -> None:
    await propose(office)
    assert (await propose(office))["version"] == 2
    assert "version 2" in (await propose(office, {**TERMS, "version": 2}, 409))["status_message"]
    await propose(office, {"agreement": "DEABC-BEEMO"})
    first = await office.get("/agreements?limit=2")
    rest = await office.get(f"/agreements?limit=2&after={first['next']}")
    assert [(one["id"], one["version"]) for one in first["items"]] == [("DEABC-BEEMO", 1), ("DEABC-NLMSP", 1)]
    assert [(one["id"], one["version"]) for one in rest["items"]] == [("DEABC-NLMSP", 2)]
    assert rest["next"] is None
    assert [one["id"] for one in await listed(office, "/agreements?debtor=be/emo")] == ["DEABC-BEEMO"]
    assert await listed(office, "/agreements?creditor=NL/MSP") == []
    await office.get("/agreements?after=X", 400)


async def test_an_id_keeps_its_parties(office: Office) -> None:
    await propose(office)
    answer = await propose(office, {**TERMS, "creditor": "DE-ABC", "debtor": "BE-EMO"}, 409)
    assert "is between DE/ABC and NL/MSP" in answer["status_message"]


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        pytest.param({"agreement": "A"}, "agreement: creditor and debtor", id="no parties"),
        pytest.param({**TERMS, "terms": {"curency": "EUR"}}, "terms.curency is not known", id="an unknown clause"),
        pytest.param({**TERMS, "checks": {"Z99": {}}}, "checks.Z99 is no check", id="an unknown check"),
        pytest.param({**TERMS, "agreement": "A/B", "creditor": "DE-ABC", "debtor": "NL-MSP"}, "slash", id="a slash"),
        pytest.param([TERMS], "agreement: is no object", id="a list"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_kept(standing_office: Office, terms: Any, said: str) -> None:
    answer = await standing_office.http.post("/settlement/agreements?actor=Ada", content=encode_json(terms))
    assert said in assert_envelope(answer, 400, 2001)
    assert await listed(standing_office, "/agreements") == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("?actor=", b"{}", id="nobody proposes it"),
        pytest.param("", b"{}", id="no actor"),
        pytest.param(f"?actor={'x' * 101}", b"{}", id="a name without end"),
        pytest.param("?actor=Ada", b"{", id="no JSON"),
    ],
)
async def test_who_proposes_is_said_and_the_body_can_be_read(standing_office: Office, path: str, body: bytes) -> None:
    answer = await standing_office.http.post(f"/settlement/agreements{path}", content=body)
    assert answer.status_code == 400


async def test_yaml_goes_in_and_comes_out_with_all_its_digits(office: Office) -> None:
    body = as_yaml(encode_json(EXAMPLE).decode()).replace("'0.05'", "0.050000000000001")
    answer = await office.http.post(
        "/settlement/agreements?actor=Ada", content=body, headers={"Content-Type": "application/yaml"}
    )
    assert answer.status_code == 201, answer.text
    shown = await office.http.get("/settlement/agreements/DEABC-NLMSP/versions/1?format=yaml")
    content = yaml.safe_load(shown.text)
    assert content["pricing"]["fee"]["per_session"] == "0.050000000000001"
    faults = Faults()
    (read,) = read_agreements([content], Spot(faults, "again"))
    assert (faults.kept, read.fees[0].per_session) == ([], Decimal("0.050000000000001"))
    again = await office.http.get("/settlement/agreements/DEABC-NLMSP/versions/1")
    assert again.json()["agreement"] == "DEABC-NLMSP"
    await office.get("/agreements/DEABC-NLMSP/versions/2", 404)
    await office.get("/agreements/NOBODY", 404)


@pytest.mark.parametrize(
    ("other", "is_refused"),
    [
        pytest.param({"valid": {"from": "2027-01-01T00:00:00Z"}}, True, id="later, while the first has no end"),
        pytest.param({"valid": {"to": "2026-10-01T00:00:00Z"}}, False, id="until the first begins"),
        pytest.param({"scope": {"countries": ["NL"]}}, False, id="in another country"),
        pytest.param({"scope": {"countries": ["DE", "NL"]}}, True, id="in the same country too"),
        pytest.param({"scope": {"token_types": ["APP_USER"]}}, True, id="for tokens that the first has too"),
    ],
)
async def test_two_that_could_be_about_one_charge_cannot_both_be_active(
    office: Office, other: dict[str, Any], is_refused: bool
) -> None:
    await propose(office, {**TERMS, "scope": {"countries": ["DEU"]}})
    await activate(office)
    await propose(office, {"agreement": "DEABC-NLMSP", "valid": {"from": "2026-10-02T00:00:00Z"}, **other})
    answer = await activate(office, 409 if is_refused else 200, version=2)
    assert not is_refused or "overlaps version 1" in answer["status_message"]


async def test_fees_are_posted_follow_the_agreement_and_come_back_with_a_credit(office: Office) -> None:
    """Points 1 and 6, M03: half a euro, a cent a kWh and one percent: 0.50 + 0.20 + 0.09."""
    await office.receive(cdr())
    await office.settle_all()
    assert await office.owed() == {(str(CPO), "EUR"): Decimal(-9), (str(EMSP), "EUR"): Decimal(9)}
    await propose(office)
    await activate(office)
    assert await office.settle_all() == 1
    fee = Decimal("0.79")
    assert await office.owed() == {
        (str(CPO), "EUR"): Decimal(-9),
        (str(EMSP), "EUR"): 9 + fee,
        (HUB, "EUR"): -fee,
    }
    events = await office.rows("select event from journal_entry order by id")
    assert events == [("accepted",), ("withdrawn",), ("accepted",)]
    await office.receive(credit_of(cdr()), after=3600)
    await office.settle_all()
    assert not any((await office.owed()).values())


async def test_an_agreement_changes_nothing_before_its_date(office: Office) -> None:
    """Invariant 12: the charge was on 10 October; neither fees nor a missing contract touch it."""
    await office.receive(cdr())
    await office.settle_all()
    await propose(office, {**TERMS, "valid": {"from": "2026-10-11T00:00:00Z"}})
    await activate(office)
    assert await office.settle_all() == 0
    await office.rows("update claim set examined_at = null returning 1")
    await office.settle_all()
    assert await office.dispositions() == {"C1": "SETTLE"}
    assert await office.owed() == {(str(CPO), "EUR"): Decimal(-9), (str(EMSP), "EUR"): Decimal(9)}


async def test_an_agreement_ends_for_the_charges_after_it(office: Office) -> None:
    office.clock.moment = datetime.now(UTC)
    await propose(office)
    await activate(office)
    soon = datetime.now(UTC) + timedelta(days=2)
    path = "/agreements/DEABC-NLMSP/versions/1/end"
    past = await office.post(path, 409, actor="Ada", at="2026-10-05T00:00:00Z")
    assert "past" in past["status_message"]
    shown = await office.post(path, 200, actor="Ada", at=soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert (shown["state"], shown["ended_by"]) == ("ACTIVE", "Ada")
    await office.post(path, 409, actor="Ada")
    await propose(office, {**TERMS, "valid": {"from": shown["ended_at"]}})
    await activate(office, version=2)
    await office.post("/agreements/DEABC-NLMSP/versions/9/end", 404, actor="Ada")


async def test_what_is_billed_is_not_looked_at_again(office: Office) -> None:
    await office.receive(cdr())
    await office.receive(cdr(id="C9", session_id=None, **_a_day_later()), after=60)
    await office.settle_all()
    await office.bill("C1")
    await propose(office)
    await activate(office)
    assert await office.settle_all() == 1
    assert (await office.accounts(EMSP))["claim:unbilled"] == Decimal("9.79")


async def test_an_agreement_that_is_activated_during_a_look_is_not_missed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading and keeping: what was read before is looked at once more."""
    await office.receive(cdr())
    await propose(office)
    active = office.books.terms.active

    async def late() -> tuple[Agreement, ...]:
        found = await active()
        await activate(office)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(office.books.terms, "active", late)
        assert await office.settler.settle_due() == 1
    assert (HUB, "EUR") not in await office.owed()
    assert await office.settle_all() == 1
    assert (await office.owed())[HUB, "EUR"] == Decimal("-0.79")


async def test_other_pairs_are_left_alone(office: Office) -> None:
    await office.receive(cdr())
    await office.receive(dc_cdr())
    await office.settle_all()
    await propose(office)
    await activate(office)
    assert await office.settle_all() == 1
    assert (await office.owed())[str(OTHER_EMSP), "EUR"] == 28


def test_until_the_first_agreement_of_a_pair_the_default_holds() -> None:
    later, first = (
        Agreement(id="A", version=2, creditor=CPO, debtor=EMSP, valid_from=datetime(2026, 12, 1, tzinfo=UTC)),
        Agreement(id="A", creditor=CPO, debtor=EMSP, valid_from=datetime(2026, 11, 1, tzinfo=UTC)),
    )
    always = Agreement(id="B", creditor=CPO, debtor=OTHER_EMSP)
    assert with_default_before([later, first, always]) == (
        later,
        first,
        always,
        Agreement(creditor=CPO, debtor=EMSP, valid_to=datetime(2026, 11, 1, tzinfo=UTC)),
    )


async def test_nobody_without_the_admin_token_gets_in(office: Office) -> None:
    office.http.headers.pop("authorization")
    for path in ("agreements", "disputes", "adjustments", "corrections"):
        assert_envelope(await office.http.get(f"/settlement/{path}"), 401, 2000)


def _a_day_later() -> dict[str, Any]:
    return {
        "start_date_time": "2026-10-11T08:00:00Z",
        "end_date_time": "2026-10-11T10:00:00Z",
        "charging_periods__0__start_date_time": "2026-10-11T08:00:00Z",
        "charging_periods__1__start_date_time": "2026-10-11T09:30:00Z",
        "last_updated": "2026-10-11T10:00:00Z",
    }


async def test_what_comes_after_the_cut_off_of_two_parties_counts_in_the_next_period(office: Office) -> None:
    """Point 1: cut-off; the period of the hub is open until the fifth."""
    await propose(office, {"agreement": "DEABC-NLMSP", "terms": {"cutoff": "D+2"}})
    await activate(office)
    late = 2 * 24 * 3600 + 22 * 3600 + 13 * 3600
    await office.receive(cdr(id="C-LAST", session_id=None, **_on("2026-10-31")))
    await office.receive(cdr(id="C-LATE", session_id=None, **_on("2026-10-31")), after=late)
    await office.settle_all()
    assert await office.rows("select cdr_id, period from verdict order by cdr_id") == [
        ("C-LAST", "2026-10"),
        ("C-LATE", "2026-11"),
    ]


async def test_terms_for_people_come_out_as_they_went_in(office: Office) -> None:
    """Point 1: VAT treatment is kept and shown."""
    tax = {"model": "commission", "treatment": "reverse charge", "rate": "0", "evidence": "NL-2026-017"}
    shown = await propose(office, {"agreement": "DEABC-NLMSP", "tax": tax})
    assert shown["terms"]["tax"] == tax
    assert (await activate(office))["terms"]["tax"] == tax
    (active,) = [one for one in await office.books.terms.active() if one.id == "DEABC-NLMSP"]
    assert active.tax == tax


def _on(day: str) -> dict[str, str]:
    return {
        "start_date_time": f"{day}T08:00:00Z",
        "end_date_time": f"{day}T10:00:00Z",
        "last_updated": f"{day}T10:00:00Z",
    }
