"""Where a message goes, as a function of message, directory and what the copies know (checklist sections 6 to 9)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from hub.partners.directory import Directory, Presence
from hub.routing.routes import (
    Broadcast,
    Deliver,
    Forward,
    FromCopies,
    Route,
    choose_route,
    clear_sender,
    foreign_owner,
    question,
    require_owner,
    require_sender,
)
from ocpi_modules.catalog import MODULES
from ocpi_modules.errors import InvalidParameters, OcpiError
from ocpi_modules.message import Message
from ocpi_modules.module import Interface, LookFor
from ocpi_modules.parties import Party, Role
from tests.routing import CP1, CP2, HUB, MS1, MS2, NAP, NS1, OFF, OT1, SC1, R, bench, member_of, message_of, partner_of

ZZ = Party("ZZ", "ZZZ")
FOR_MS1 = {"cdr_token": {"country_code": "NL", "party_id": "MS1"}}


def route(message: Message, *found: Party, directory: Directory | None = None) -> Route:
    return choose_route(message, directory or bench(), found)


def refused(message: Message, *found: Party, directory: Directory | None = None) -> OcpiError:
    with pytest.raises(OcpiError) as caught:
        route(message, *found, directory=directory)
    return caught.value


def push_of(
    module_id: str, sender: Party, receiver: Party | None = HUB, method: str = "PUT", **content: Any
) -> Message:
    """A push of an object of the sender's own."""
    endpoint = f"receiver/{module_id}/{sender}/X1"
    return message_of(method, endpoint, sender=sender, receiver=receiver, content=content or None)


# --- direct -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(push_of("locations", CP1, MS1), id="R-02 a push"),
        pytest.param(push_of("sessions", CP1, MS1), id="a session"),
        pytest.param(push_of("tariffs", CP1, MS1, "DELETE"), id="TF-02 a removal"),
        pytest.param(message_of("POST", "receiver/cdrs", receiver=MS1, content={}), id="CD-02 a CDR"),
        pytest.param(message_of("GET", f"receiver/locations/{CP1}/L1", receiver=MS1), id="a read of what MS1 holds"),
    ],
)
def test_a_named_receiver_gets_the_message(message: Message) -> None:
    assert route(message) == Forward(MS1, partner_of(3))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(message_of("GET", "sender/locations", sender=MS1, receiver=CP1), id="a list"),
        pytest.param(message_of("GET", "sender/locations/L1", sender=MS1, receiver=CP1), id="an object"),
        pytest.param(
            message_of("POST", "receiver/commands/START_SESSION", sender=MS1, receiver=CP1), id="CM-01 a command"
        ),
        pytest.param(message_of("PUT", "sender/sessions/1/charging_preferences", sender=MS1, receiver=CP1), id="SE-02"),
        pytest.param(message_of("GET", "receiver/chargingprofiles/1", sender=SC1, receiver=CP1), id="CP-01 a profile"),
    ],
)
def test_what_is_asked_of_a_named_party_is_asked_of_it_and_not_of_the_copies(message: Message) -> None:
    assert route(message) == Forward(CP1, partner_of(1))


def test_a_party_on_the_sender_s_own_platform_is_reached_like_any_other() -> None:
    """R-22."""
    assert route(push_of("locations", CP2, MS2)) == Forward(MS2, partner_of(2))


@pytest.mark.parametrize("purpose", ["GET", "PUT", "PATCH"])
def test_the_copies_are_not_asked_when_the_receiver_is_named(purpose: str) -> None:
    message = message_of(purpose, f"receiver/sessions/{CP1}/1", receiver=MS1, content=FOR_MS1)
    assert question(message, HUB) is None


# --- receivers that cannot be reached (X-22) --------------------------------------------------------


def status_changed(party: Party, status: Presence, partner_id: int | None) -> Directory:
    directory = bench()
    kept = tuple(member for member in directory.members if member.party != party)
    return replace(directory, members=(*kept, member_of(party, Role.EMSP, partner_id, status)))


@pytest.mark.parametrize(
    ("status", "partner_id"),
    [
        pytest.param(Presence.OFFLINE, 3, id="offline"),
        pytest.param(Presence.SUSPENDED, 3, id="suspended"),
        pytest.param(Presence.SUSPENDED, None, id="suspended long ago"),
        pytest.param(Presence.PLANNED, None, id="planned"),
    ],
)
def test_a_receiver_that_is_listed_but_not_connected(status: Presence, partner_id: int | None) -> None:
    """R-16, HC-10: refused at once, nobody is tried."""
    error = refused(push_of("locations", CP1, MS1), directory=status_changed(MS1, status, partner_id))
    assert (error.http_status, error.status_code) == (200, 4003)


def test_a_receiver_that_nobody_knows() -> None:
    """R-15, R-19."""
    error = refused(push_of("locations", CP1, ZZ))
    assert (error.http_status, error.status_code) == (200, 4001)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        pytest.param(push_of("locations", CP1, CP2), "no locations RECEIVER", id="a CPO takes no locations"),
        pytest.param(push_of("tokens", MS1, NS1), "no tokens RECEIVER", id="an NSP takes no tokens"),
        pytest.param(
            message_of("GET", "sender/locations", sender=CP1, receiver=MS1),
            "no locations SENDER",
            id="an eMSP has none",
        ),
        pytest.param(
            message_of("POST", "receiver/commands/STOP_SESSION", sender=MS1, receiver=MS2),
            "no commands RECEIVER",
            id="X-22 the platform has the endpoint, for its CPO",
        ),
    ],
)
def test_a_receiver_in_the_wrong_role(message: Message, reason: str) -> None:
    """R-18, X-22."""
    error = refused(message)
    assert (error.http_status, error.status_code) == (200, 4000)
    assert reason in error.message


def without_endpoints(number: int) -> Directory:
    directory = bench()
    return replace(directory, partners={**directory.partners, number: partner_of(number, endpoints={})})


def test_a_receiver_without_this_endpoint() -> None:
    """R-18, T-24."""
    assert refused(push_of("locations", CP1, MS1), directory=without_endpoints(3)).status_code == 4000


def test_not_connected_counts_before_no_endpoint() -> None:
    """X-22: an offline party that never offered the module is 4003 all the same."""
    assert refused(push_of("locations", CP1, OFF), directory=without_endpoints(8)).status_code == 4003


# --- broadcast --------------------------------------------------------------------------------------

EMSP_LIKE = {MS1, MS2, NAP, NS1, OT1}


@pytest.mark.parametrize(
    ("module_id", "sender", "receivers"),
    [
        pytest.param("locations", CP1, EMSP_LIKE, id="B-03 a CPO's location: eMSPs, NSPs, NAPs, OTHER"),
        pytest.param("locations", CP2, EMSP_LIKE, id="B-08 the eMSP on the same platform too"),
        pytest.param("locations", NAP, EMSP_LIKE - {NAP}, id="X-14 a NAP's location: no other NAP"),
        pytest.param("locations", MS1, set(), id="an eMSP has no locations"),
        pytest.param("locations", OT1, set(), id="B-05 nor has OTHER"),
        pytest.param("locations", NS1, set(), id="nor has an NSP"),
        pytest.param("locations", SC1, set(), id="B-06 nor has an SCSP"),
        pytest.param("tariffs", CP1, EMSP_LIKE, id="B-03 a CPO's tariff"),
        pytest.param("tariffs", NAP, EMSP_LIKE - {NAP}, id="X-14 a NAP's tariff"),
        pytest.param("tariffs", MS1, set(), id="an eMSP has no tariffs"),
        pytest.param("tariffs", OT1, set(), id="OTHER has no tariffs"),
        pytest.param("tokens", MS1, {CP1, CP2}, id="B-04 an eMSP's token: CPOs"),
        pytest.param("tokens", MS2, {CP1, CP2}, id="B-08 the CPO on the same platform too"),
        pytest.param("tokens", OT1, {CP1, CP2}, id="B-05 OTHER's token: CPOs, never eMSPs"),
        pytest.param("tokens", CP1, set(), id="a CPO has no tokens"),
        pytest.param("tokens", NAP, set(), id="B-06 a NAP takes no part in tokens"),
        pytest.param("tokens", SC1, set(), id="B-06 an SCSP takes no part at all"),
    ],
)
def test_the_receivers_of_a_broadcast(module_id: str, sender: Party, receivers: set[Party]) -> None:
    """B-01 to B-08: OFF is offline and never among them."""
    chosen = route(push_of(module_id, sender))
    assert isinstance(chosen, Broadcast)
    assert set(chosen.receivers) == receivers
    assert list(chosen.receivers) == sorted(chosen.receivers)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_removal_is_told_like_a_push(method: str) -> None:
    """X-16, TF-02."""
    assert route(push_of("tariffs", CP1, method=method)) == Broadcast(tuple(sorted(EMSP_LIKE)))


def test_a_party_without_the_endpoint_is_left_out() -> None:
    """B-07, T-24."""
    assert route(push_of("locations", CP1), directory=without_endpoints(3)) == Broadcast(
        tuple(sorted(EMSP_LIKE - {MS1}))
    )


@pytest.mark.parametrize("status", [Presence.OFFLINE, Presence.SUSPENDED, Presence.PLANNED])
def test_a_party_that_is_not_connected_is_skipped(status: Presence) -> None:
    """B-10."""
    chosen = route(push_of("locations", CP1), directory=status_changed(MS1, status, 3))
    assert chosen == Broadcast(tuple(sorted(EMSP_LIKE - {MS1})))


def test_a_party_with_two_roles_gets_one_copy() -> None:
    """X-15: one a party, not one a role."""
    directory = bench()
    twofold = replace(directory, members=(*directory.members, member_of(MS1, Role.NSP, 3)))
    assert route(push_of("locations", CP1), directory=twofold) == Broadcast(tuple(sorted(EMSP_LIKE)))


def test_a_party_with_two_roles_sends_in_the_role_that_fits_the_module() -> None:
    """B-05: being OTHER as well does not widen what a CPO's location reaches, nor the other way round."""
    directory = bench()
    twofold = replace(directory, members=(*directory.members, member_of(CP1, Role.EMSP, 1)))
    assert route(push_of("locations", CP1), directory=twofold) == Broadcast(tuple(sorted(EMSP_LIKE)))
    assert route(push_of("tokens", CP1), directory=twofold) == Broadcast((CP2,))


def test_shareable_data_without_a_receiver_is_broadcast() -> None:
    """O-05."""
    assert route(push_of("locations", CP1, None)) == Broadcast(tuple(sorted(EMSP_LIKE)))


# --- sessions and CDRs: for one eMSP ----------------------------------------------------------------


@pytest.mark.parametrize("module_id", ["sessions", "cdrs"])
def test_what_belongs_to_one_emsp_is_kept_and_taken_to_it_alone(module_id: str) -> None:
    """B-11."""
    endpoint = "receiver/cdrs" if module_id == "cdrs" else f"receiver/sessions/{CP1}/1"
    message = message_of("POST" if module_id == "cdrs" else "PUT", endpoint, content=FOR_MS1)
    assert route(message, MS1) == Deliver(MS1)


def test_it_is_kept_for_an_emsp_that_is_away() -> None:
    """B-11: due until the payer has it."""
    assert route(message_of("POST", "receiver/cdrs", content=FOR_MS1), OFF) == Deliver(OFF)


def test_it_is_refused_for_an_emsp_that_nobody_knows() -> None:
    """O-05."""
    assert refused(message_of("POST", "receiver/cdrs", content=FOR_MS1), ZZ).status_code == 4001


@pytest.mark.parametrize(
    ("addressee", "code"),
    [
        pytest.param(ZZ, 4001, id="unknown"),
        pytest.param(OFF, 4003, id="offline"),
        pytest.param(CP2, 4000, id="no eMSP"),
    ],
)
def test_without_a_receiver_it_is_forwarded_or_refused(addressee: Party, code: int) -> None:
    """O-01, O-03, O-05."""
    message = message_of("POST", "receiver/cdrs", receiver=None, content=FOR_MS1)
    assert route(message, MS1) == Forward(MS1, partner_of(3))
    assert refused(message, addressee).status_code == code


# --- open routing -----------------------------------------------------------------------------------

ASKED_BY_MS1: Collection[Any] = [
    pytest.param(
        message_of("GET", "sender/locations/L1", sender=MS1, receiver=None), LookFor("locations", "L1"), id="location"
    ),
    pytest.param(
        message_of("POST", "receiver/commands/START_SESSION", sender=MS1, receiver=None, content={"location_id": "L1"}),
        LookFor("locations", "L1"),
        id="START_SESSION",
    ),
    pytest.param(
        message_of("POST", "receiver/commands/STOP_SESSION", sender=MS1, receiver=None, content={"session_id": "7"}),
        LookFor("sessions", "7"),
        id="STOP_SESSION",
    ),
    pytest.param(
        message_of("PUT", "sender/sessions/7/charging_preferences", sender=MS1, receiver=None, content={}),
        LookFor("sessions", "7"),
        id="preferences",
    ),
    pytest.param(
        message_of("DELETE", "receiver/chargingprofiles/7", sender=MS1, receiver=None),
        LookFor("sessions", "7"),
        id="CP-10 profile",
    ),
]


@pytest.mark.parametrize(("message", "look"), ASKED_BY_MS1)
def test_the_owner_of_the_object_is_the_destination(message: Message, look: LookFor) -> None:
    """O-01, O-03."""
    assert question(message, HUB) == look
    assert route(message, CP2) == Forward(CP2, partner_of(2))


@pytest.mark.parametrize(("message", "look"), ASKED_BY_MS1)
def test_between_two_owners_nobody_guesses(message: Message, look: LookFor) -> None:
    """O-04, CP-10, X-19."""
    error = refused(message, CP1, CP2)
    assert error.status_code == 4001
    assert "more than one" in error.message


@pytest.mark.parametrize(("message", "look"), ASKED_BY_MS1)
def test_an_object_of_nobody_leads_nowhere(message: Message, look: LookFor) -> None:
    """O-05."""
    assert refused(message).status_code == 4001


def test_a_command_to_the_hub_is_routed_by_its_location() -> None:
    """CP-03: not answered from the copies."""
    message = message_of("POST", "receiver/commands/START_SESSION", sender=MS1, content={"location_id": "L1"})
    assert question(message, HUB) == LookFor("locations", "L1")
    assert route(message, CP1) == Forward(CP1, partner_of(1))


AUTHORIZE = message_of("POST", "sender/tokens/u1/authorize", sender=CP1, receiver=None, query="type=APP_USER")


def test_an_authorisation_goes_to_the_emsp_of_the_token() -> None:
    """TK-11."""
    assert question(AUTHORIZE, HUB) == LookFor("tokens", "u1", "APP_USER")
    assert route(AUTHORIZE, MS1) == Forward(MS1, partner_of(3))


def test_an_unknown_token_is_a_404_with_2004() -> None:
    """TK-10: no eMSP is guessed."""
    error = refused(AUTHORIZE)
    assert (error.http_status, error.status_code) == (404, 2004)


def test_a_token_that_two_emsps_have_is_not_guessed_at() -> None:
    """O-04."""
    assert refused(AUTHORIZE, MS1, MS2).status_code == 4001


# --- from the copies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(message_of("GET", "sender/locations", sender=MS1), id="G-01 GET All"),
        pytest.param(message_of("GET", "sender/cdrs", sender=MS1), id="G-04 the CDRs of the caller"),
        pytest.param(
            message_of("GET", "sender/locations", sender=MS1, receiver=None), id="O-02, X-18 a list without receiver"
        ),
        pytest.param(message_of("GET", "sender/locations/L1", sender=MS1), id="G-06 one object"),
        pytest.param(message_of("GET", f"receiver/locations/{CP1}/L1"), id="B-09 what the hub holds"),
        pytest.param(
            message_of("GET", f"receiver/locations/{CP1}/L1", receiver=None), id="B-09 the same, without receiver"
        ),
    ],
)
def test_reads_that_the_hub_answers_itself(message: Message) -> None:
    """B-09: a GET is never broadcast."""
    assert question(message, HUB) is None
    assert route(message) == FromCopies()


# --- who may send -----------------------------------------------------------------------------------


def test_a_sender_behind_the_caller_s_token_is_accepted_and_any_other_is_not() -> None:
    """R-07."""
    require_sender(CP2, frozenset({CP2, MS2}))
    with pytest.raises(InvalidParameters):
        require_sender(CP1, frozenset({CP2, MS2}))


@pytest.mark.parametrize(
    ("candidates", "named", "sender"),
    [
        pytest.param({CP1}, None, CP1, id="one party"),
        pytest.param({CP1}, CP2, CP1, id="one party, and the request names another: judged later"),
        pytest.param({CP1, CP2}, CP2, CP2, id="the one of two that the request names"),
    ],
)
def test_a_sender_that_can_only_be_one(candidates: set[Party], named: Party | None, sender: Party) -> None:
    """R-01."""
    assert clear_sender(frozenset(candidates), named) == sender


@pytest.mark.parametrize(
    ("candidates", "named"),
    [
        pytest.param({CP1, CP2}, None, id="two could be"),
        pytest.param({CP1, CP2}, MS1, id="two could be, and a third is named"),
        pytest.param(set(), None, id="nobody is left behind this token"),
    ],
)
def test_a_sender_that_cannot_be_told(candidates: set[Party], named: Party | None) -> None:
    """R-01."""
    with pytest.raises(InvalidParameters):
        clear_sender(frozenset(candidates), named)


P2 = frozenset({CP2, MS2})


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(push_of("locations", CP2), id="its own location"),
        pytest.param(push_of("tokens", MS2), id="its own token"),
        pytest.param(
            message_of("GET", f"receiver/locations/{CP2}/L1", sender=MS2),
            id="a read by the other party of the platform",
        ),
        pytest.param(message_of("GET", "sender/locations/L1", sender=MS2), id="a URL without owner"),
        pytest.param(
            message_of("POST", "receiver/cdrs", sender=CP2, content={"country_code": "BE", "party_id": "CP2"}), id="CDR"
        ),
    ],
)
def test_an_owner_that_may_push(message: Message) -> None:
    require_owner(message, bench(), P2)


@pytest.mark.parametrize(
    ("message", "http_status", "code"),
    [
        pytest.param(push_of("locations", CP1), 404, 2003, id="L-06 another platform's location"),
        pytest.param(push_of("sessions", CP1), 404, 2001, id="SE-05 another platform's session"),
        pytest.param(push_of("tokens", MS1), 404, 2004, id="TK-03 another platform's token"),
        pytest.param(push_of("locations", MS2), 404, 2003, id="L-06 an owner that is no CPO"),
        pytest.param(push_of("tokens", CP2), 404, 2004, id="TK-03 a CPO pushing a token"),
        pytest.param(
            message_of("PUT", f"receiver/locations/{CP2}/L1", sender=MS2),
            200,
            2001,
            id="L-06, X-10 the sender is not the owner",
        ),
        pytest.param(
            message_of("GET", f"receiver/locations/{CP1}/L1", sender=CP2), 404, 2003, id="a read of a foreign object"
        ),
    ],
)
def test_an_owner_that_may_not(message: Message, http_status: int, code: int) -> None:
    with pytest.raises(OcpiError) as caught:
        require_owner(message, bench(), P2)
    assert (caught.value.http_status, caught.value.status_code) == (http_status, code)


def test_a_foreign_owner_is_answered_with_the_code_of_the_module() -> None:
    """X-32."""
    assert foreign_owner(MODULES["tariffs"], CP1).http_status == 404
    assert foreign_owner(MODULES["tokens"], CP1).status_code == 2004


def test_the_endpoint_of_a_forward_is_the_one_that_its_partner_listed() -> None:
    """V-06: never one that was put together."""
    odd = {("locations", Interface.RECEIVER): "https://y.example/zz?k=1"}
    directory = replace(bench(), partners={**bench().partners, 3: partner_of(3, endpoints=odd)})
    chosen = route(push_of("locations", CP1, MS1), directory=directory)
    assert isinstance(chosen, Forward)
    assert chosen.partner.endpoint(MODULES["locations"], R) == "https://y.example/zz?k=1"
