"""What one push does to one copy: create, replace, merge, remove, or refuse (L-08 to L-15, SE-06 to SE-10, CD-05, X-31)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hub.store.changes import Change, Claim, Decision, Result, claim_of, decide
from ocpi_modules.errors import InvalidParameters, OcpiError
from ocpi_modules.module import Purpose
from ocpi_modules.types import decode_json, encode_json
from tests.store import CP1, CP2, MS1, MS2, NOW, Object, owned_by, push

Example = Callable[..., Object]

EARLY, MIDDLE, LATE = "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z"
CONNECTOR = {
    "id": "1",
    "standard": "IEC_62196_T2",
    "format": "SOCKET",
    "power_type": "AC_3_PHASE",
    "max_voltage": 230,
    "max_amperage": 16,
    "last_updated": MIDDLE,
}
EVSE = {"uid": "E1", "status": "AVAILABLE", "connectors": [CONNECTOR], "last_updated": MIDDLE}


@pytest.fixture
def location(example: Example) -> Object:
    """A location of CP1 with one EVSE of one connector, all of the middle date."""
    return example("location", **owned_by(CP1, id="L1", evses=[EVSE], last_updated=MIDDLE))


def text_of(content: Object) -> bytes:
    return encode_json(content)


def patch(module_id: str, ids: tuple[str, ...], **fields: Any) -> Change:
    return push(module_id, {"last_updated": LATE, **fields}, owner=CP1, purpose=Purpose.UPDATE, ids=ids)


def contents(decision: Decision) -> Any:
    assert decision.text is not None
    return decode_json(decision.text)


def refused(change: Change, stored: bytes | None) -> OcpiError:
    with pytest.raises(OcpiError) as caught:
        decide(change, stored)
    return caught.value


# --- whole objects ----------------------------------------------------------------------------------


def test_a_new_object_is_kept_as_the_text_that_came_in(location: Object) -> None:
    """R-10, R-11, S-07, Y-07."""
    change = push("locations", location)
    decision = decide(change, None)
    assert (decision.result, decision.text) == (Result.CREATED, change.text)
    assert decision.last_updated == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_put_replaces_the_whole_and_what_it_leaves_out_is_gone(location: Object) -> None:
    """L-08, S-07."""
    without = {key: value for key, value in location.items() if key not in {"name", "evses"}}
    decision = decide(push("locations", without), text_of(location))
    assert (decision.result, contents(decision)) == (Result.UPDATED, contents(decide(push("locations", without), None)))


def test_a_put_of_a_session_without_charging_periods_clears_them(example: Example) -> None:
    """SE-06."""
    session = example("session", **owned_by(CP1, id="1"))
    assert session["charging_periods"]
    decision = decide(push("sessions", {**session, "charging_periods": []}), text_of(session))
    assert contents(decision)["charging_periods"] == []


def test_a_completed_session_takes_a_newer_put(example: Example) -> None:
    """SE-10."""
    session = example("session", **owned_by(CP1, id="1", status="COMPLETED", last_updated=EARLY))
    decision = decide(push("sessions", {**session, "status": "INVALID", "last_updated": LATE}), text_of(session))
    assert contents(decision)["status"] == "INVALID"


@pytest.mark.parametrize(
    ("last_updated", "result"),
    [
        pytest.param(EARLY, Result.STALE, id="X-31 older: not stored"),
        pytest.param(MIDDLE, Result.UPDATED, id="X-31 equal: accepted"),
        pytest.param(LATE, Result.UPDATED, id="newer"),
    ],
)
def test_an_older_push_changes_nothing(last_updated: str, result: Result, location: Object) -> None:
    stored = text_of(location)
    decision = decide(push("locations", {**location, "name": "Other", "last_updated": last_updated}), stored, "")
    assert decision.result is result
    assert (decision.text == stored) is (result is Result.STALE)


def test_news_is_what_others_should_hear_of() -> None:
    """B-10: what changed nothing is told to nobody."""
    assert {result for result in Result if result.is_news} == {Result.CREATED, Result.UPDATED, Result.REMOVED}


# --- parts ------------------------------------------------------------------------------------------


def test_a_new_evse_is_created_and_moves_its_location(location: Object) -> None:
    """L-09, L-10, S-07, P-04."""
    change = push("locations", {**EVSE, "uid": "E2", "last_updated": LATE}, owner=CP1, ids=("L1", "E2"))
    decision = decide(change, text_of(location))
    assert decision.result is Result.CREATED
    assert [evse["uid"] for evse in contents(decision)["evses"]] == ["E1", "E2"]
    assert contents(decision)["last_updated"] == LATE
    assert decision.last_updated == datetime(2026, 5, 1, tzinfo=UTC)


def test_a_known_connector_is_updated_and_moves_both_parents(location: Object) -> None:
    """L-10."""
    change = push(
        "locations", {**CONNECTOR, "max_amperage": 32, "last_updated": LATE}, owner=CP1, ids=("l1", "e1", "1")
    )
    decision = decide(change, text_of(location))
    (evse,) = contents(decision)["evses"]
    assert decision.result is Result.UPDATED
    assert evse["connectors"][0]["max_amperage"] == 32
    assert [contents(decision)["last_updated"], evse["last_updated"]] == [LATE, LATE]


def test_a_part_is_judged_by_its_own_age(location: Object) -> None:
    """X-31, X-54: an EVSE newer than itself, older than its location, is news and does not move the location."""
    newer = {**location, "last_updated": LATE}
    change = push(
        "locations", {**EVSE, "status": "BLOCKED", "last_updated": "2026-04-01T00:00:00Z"}, owner=CP1, ids=("L1", "E1")
    )
    decision = decide(change, text_of(newer))
    assert decision.result is Result.UPDATED
    assert contents(decision)["last_updated"] == LATE
    older = push("locations", {**EVSE, "last_updated": EARLY}, owner=CP1, ids=("L1", "E1"))
    assert decide(older, text_of(newer)).result is Result.STALE


def test_a_removed_evse_stays_readable(location: Object) -> None:
    """L-15."""
    decision = decide(patch("locations", ("L1", "E1"), status="REMOVED", evse_id=None), text_of(location))
    (evse,) = contents(decision)["evses"]
    assert (evse["status"], evse["connectors"]) == ("REMOVED", [CONNECTOR])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(push("locations", EVSE, owner=CP1, ids=("NOPE", "E1")), id="an EVSE of an unknown location"),
        pytest.param(
            push("locations", CONNECTOR, owner=CP1, ids=("NOPE", "E1", "1")), id="a connector of an unknown location"
        ),
        pytest.param(patch("locations", ("NOPE",)), id="PATCH of an unknown location"),
        pytest.param(patch("locations", ("NOPE", "E1")), id="PATCH of an EVSE of an unknown location"),
        pytest.param(patch("sessions", ("NOPE",)), id="PATCH of an unknown session"),
        pytest.param(patch("tokens", ("NOPE",)), id="PATCH of an unknown token"),
        pytest.param(
            push("tariffs", {}, owner=CP1, ids=("NOPE",), purpose=Purpose.REMOVE), id="TF-02 removal of nothing"
        ),
    ],
)
def test_what_has_no_ground_to_stand_on_is_not_found(change: Change) -> None:
    """L-13, X-32: no phantom objects."""
    error = refused(change, None)
    assert (error.http_status, error.status_code) == (404, change.module.unknown_code)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            push("locations", CONNECTOR, owner=CP1, ids=("L1", "E9", "1")), id="a connector of an unknown EVSE"
        ),
        pytest.param(patch("locations", ("L1", "E9")), id="PATCH of an unknown EVSE"),
        pytest.param(patch("locations", ("L1", "E1", "9")), id="PATCH of an unknown connector"),
    ],
)
def test_a_part_of_a_known_location_needs_its_own_parent(change: Change, location: Object) -> None:
    """L-13."""
    assert refused(change, text_of(location)).status_code == 2003


def test_a_patch_that_would_leave_no_valid_object_is_refused(location: Object) -> None:
    """L-17: rules between fields count for the merged object."""
    change = patch("locations", ("L1",), publish_allowed_to=[{"group_id": "G"}])
    assert location["publish"] is True
    assert isinstance(refused(change, text_of(location)), InvalidParameters)


def test_a_new_evse_in_a_patch_has_to_be_whole(location: Object) -> None:
    """X-30: an EVSE that nobody knows is no EVSE without its connectors."""
    change = patch("locations", ("L1",), evses=[{"uid": "E2", "status": "AVAILABLE"}])
    assert isinstance(refused(change, text_of(location)), InvalidParameters)


# --- whose it is ------------------------------------------------------------------------------------


def test_the_addressee_stays_when_a_patch_does_not_name_one(example: Example) -> None:
    """SE-11."""
    session = example("session", **owned_by(CP1, id="1"))
    assert decide(patch("sessions", ("1",), kwh=2), text_of(session), "NL/MS1").addressee == "NL/MS1"
    assert decide(push("sessions", session, addressee=MS1), None).addressee == "NL/MS1"
    assert (
        decide(push("sessions", {**session, "last_updated": LATE}, addressee=MS2), text_of(session), "NL/MS1").addressee
        == "BE/MS2"
    )


def test_a_copy_is_known_by_owner_folded_id_variant_and_audience(example: Example) -> None:
    """Y-04, TK-02, X-13."""
    token = example("token", **owned_by(MS1, uid="u1", type="APP_USER"))
    assert push("tokens", token, audience=CP1).row_key == ("tokens", "NL", "MS1", "U1", "APP_USER", "DE/CP1")
    assert push("tokens", token).row_key == ("tokens", "NL", "MS1", "U1", "APP_USER", "")
    assert push("tokens", token, owner=MS2).row_key != push("tokens", token).row_key


# --- removal ----------------------------------------------------------------------------------------


def test_a_removed_tariff_leaves_nothing(example: Example) -> None:
    """TF-02."""
    tariff = example("tariff", **owned_by(CP1, id="T1"))
    decision = decide(push("tariffs", {}, owner=CP1, ids=("T1",), purpose=Purpose.REMOVE), text_of(tariff))
    assert (decision.result, decision.text, decision.last_updated) == (Result.REMOVED, None, NOW)


# --- CDRs -------------------------------------------------------------------------------------------


def posted(content: Object, **fields: Any) -> Change:
    return push("cdrs", content, purpose=Purpose.ADD, addressee=MS1, **fields)


def test_a_cdr_never_changes(example: Example) -> None:
    """CD-05."""
    cdr = example("cdr", **owned_by(CP1, id="C1"))
    stored = text_of(cdr)
    assert isinstance(refused(posted({**cdr, "total_energy": 99}), stored), InvalidParameters)
    assert isinstance(refused(posted({**cdr, "last_updated": LATE}), stored), InvalidParameters)


def test_the_same_cdr_again_is_no_news(example: Example) -> None:
    """CD-05, X-45: the same content in another order, with other digits for the same number."""
    cdr = example("cdr", **owned_by(CP1, id="C1", total_energy=15))
    again = dict(reversed(list({**cdr, "total_energy": Decimal("15.00")}.items())))
    decision = decide(posted(again), text_of(cdr), "NL/MS1")
    assert (decision.result, decision.text, decision.addressee) == (Result.UNCHANGED, text_of(cdr), "NL/MS1")


def test_a_forwarded_cdr_without_a_date_is_kept_under_the_time_it_came() -> None:
    """Its receiver judged it, and money depends on it."""
    decision = decide(posted({**owned_by(CP2), "id": "C1"}), None)
    assert (decision.result, decision.last_updated) == (Result.CREATED, NOW)


# --- claims -----------------------------------------------------------------------------------------


def a_claim(**changes: Any) -> Object:
    cost = {"excl_vat": Decimal("4.0000000001"), "incl_vat": Decimal("4.84")}
    return {"id": "C1", "currency": "EUR", "total_cost": cost, "end_date_time": LATE, **changes}


def test_a_claim_is_exact() -> None:
    """Money is Decimal from end to end."""
    assert claim_of(a_claim()) == Claim(
        "C1", "EUR", Decimal("4.0000000001"), Decimal("4.84"), False, datetime(2026, 5, 1, tzinfo=UTC)
    )


def test_vat_that_is_not_given_is_unknown_and_not_nothing() -> None:
    """CD-12."""
    claim = claim_of(a_claim(total_cost={"excl_vat": 4}))
    assert claim is not None
    assert (claim.excl_vat, claim.incl_vat) == (Decimal(4), None)
    free = claim_of(a_claim(total_cost={"excl_vat": 4, "incl_vat": 0}))
    assert free is not None
    assert free.incl_vat == 0


@pytest.mark.parametrize(("credit", "is_credit"), [(True, True), (False, False), (None, False), ("true", False)])
def test_a_credit_is_what_says_so(credit: Any, is_credit: bool) -> None:
    """CD-06."""
    claim = claim_of(a_claim(credit=credit, total_cost={"excl_vat": -4}))
    assert claim is not None
    assert claim.is_credit is is_credit


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(a_claim(total_cost=None), id="no cost"),
        pytest.param(a_claim(total_cost=4), id="CD-12 a number as in 2.1.1"),
        pytest.param(a_claim(total_cost={"incl_vat": 4}), id="no net amount"),
        pytest.param(a_claim(total_cost={"excl_vat": "much"}), id="an amount in words"),
        pytest.param(a_claim(total_cost={"excl_vat": "NaN"}), id="an amount that is none"),
        pytest.param(a_claim(total_cost={"excl_vat": "Infinity"}), id="an amount without end"),
        pytest.param(a_claim(total_cost={"excl_vat": True}), id="a truth is no amount"),
        pytest.param(a_claim(total_cost={"excl_vat": Decimal("1E+400000")}), id="more money than there is"),
        pytest.param(a_claim(total_cost={"excl_vat": Decimal("1E-400000")}), id="less money than there is"),
        pytest.param(a_claim(end_date_time="yesterday"), id="no end"),
        pytest.param({}, id="nothing"),
        pytest.param([], id="no object"),
    ],
)
def test_a_cdr_that_nobody_could_bill_makes_no_claim(content: Any) -> None:
    assert claim_of(content) is None
