"""HubClientInfo: what partners may know of each other, and whom the news of it reaches (section 19)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.partners.client import Answer, Call
from hub.partners.clientinfo import ClientInfoNews, client_info, news, others
from hub.partners.delivery import Parcel
from hub.partners.directory import Directory, Member, Partner, Presence
from hub.partners.lanes import Lanes
from ocpi_modules.hubclientinfo import ClientInfo
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import decode_json

HUB = Party("NL", "HUB")
CP1, CP2, MS1, MS2 = Party("DE", "CP1"), Party("BE", "CP2"), Party("NL", "MS1"), Party("BE", "MS2")
T = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RECEIVER = ("hubclientinfo", Interface.RECEIVER)


def member(
    party: Party, role: Role, partner_id: int | None, status: Presence = Presence.CONNECTED, at: datetime = T
) -> Member:
    return Member(party, role, str(party), status, at, partner_id)


def partner(number: int, url: str | None = "https://p{}.example/clientinfo", is_joined: bool = True) -> Partner:
    endpoints = {} if url is None else {RECEIVER: url.format(number)}
    return Partner(number, f"p{number}", "https://x", is_joined, bytes([number]), f"t{number}", endpoints)


def directory(*members: Member, partners: Sequence[Partner] | None = None) -> Directory:
    """The members and the partners behind them, each with an endpoint unless others are given."""
    if partners is None:
        partners = [
            partner(number) for number in sorted({one.partner_id for one in members if one.partner_id is not None})
        ]
    return Directory(HUB, {one.id: one for one in partners}, members)


P1 = member(CP1, Role.CPO, 1)
P2 = (member(CP2, Role.CPO, 2), member(MS2, Role.EMSP, 2))
P3 = member(MS1, Role.EMSP, 3)
ALL = (P1, *P2, P3)


# --- the object -------------------------------------------------------------------------------------


def test_a_member_is_written_as_a_valid_client_info_with_everything_that_is_required() -> None:
    """HC-02, Y-03."""
    written = decode_json(client_info(member(MS1, Role.EMSP, 3, Presence.OFFLINE)))
    assert written == {
        "party_id": "MS1",
        "country_code": "NL",
        "role": "EMSP",
        "status": "OFFLINE",
        "last_updated": "2026-06-01T12:00:00Z",
    }
    ClientInfo.model_validate(written)


@pytest.mark.parametrize("status", Presence)
def test_every_status_is_one_of_the_specification(status: Presence) -> None:
    """HC-02, X-47."""
    ClientInfo.model_validate(decode_json(client_info(member(MS1, Role.EMSP, 3, status))))


# --- the list ---------------------------------------------------------------------------------------


def test_a_caller_sees_everybody_but_itself_with_one_entry_a_role() -> None:
    """HC-02, HC-03."""
    twofold = member(CP1, Role.EMSP, 1)
    seen = others(directory(*ALL, twofold), partner(2), None, None)
    assert [(entry.party, entry.role) for entry in seen] == [(CP1, Role.CPO), (CP1, Role.EMSP), (MS1, Role.EMSP)]


def test_parties_that_are_not_connected_stay_listed() -> None:
    """HC-05, HC-06."""
    gone = member(MS2, Role.EMSP, 9, Presence.SUSPENDED)
    planned = member(CP2, Role.CPO, None, Presence.PLANNED)
    seen = others(directory(P1, gone, planned), partner(1), None, None)
    assert {(entry.party, entry.status) for entry in seen} == {(MS2, Presence.SUSPENDED), (CP2, Presence.PLANNED)}


@pytest.mark.parametrize(
    ("start", "end", "is_seen"),
    [
        pytest.param(T, None, True, id="P-02 from is inclusive"),
        pytest.param(T + SECOND, None, False, id="P-02 changed before"),
        pytest.param(None, T, False, id="P-03 to is exclusive"),
        pytest.param(None, T + SECOND, True, id="P-03 changed before the end"),
        pytest.param(T, T + SECOND, True, id="within"),
    ],
)
def test_date_filters_look_at_the_last_change(start: datetime | None, end: datetime | None, is_seen: bool) -> None:
    """HC-01, HC-07."""
    assert bool(others(directory(P3), partner(1), start, end)) is is_seen


def test_the_order_of_the_list_does_not_depend_on_the_order_of_the_rows() -> None:
    """P-11."""
    assert others(directory(*ALL), partner(9), None, None) == others(directory(*reversed(ALL)), partner(9), None, None)


# --- what is news -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "is_news"),
    [
        pytest.param(replace(P3, status=Presence.OFFLINE, last_updated=T + SECOND), True, id="HC-09 gone offline"),
        pytest.param(replace(P3, status=Presence.SUSPENDED), True, id="HC-05 suspended"),
        pytest.param(replace(P3, name="New name"), False, id="HC-07 another name is no change of status"),
        pytest.param(replace(P3, partner_id=4), False, id="HC-07 the same status elsewhere"),
        pytest.param(P3, False, id="HC-07 nothing changed"),
    ],
)
def test_a_change_of_status_is_news_and_nothing_else(changed: Member, is_news: bool) -> None:
    assert news(directory(*ALL).members, directory(P1, *P2, changed).members) == ([changed] if is_news else [])


def test_a_new_party_and_a_new_role_are_news() -> None:
    """HC-04."""
    role = member(CP1, Role.EMSP, 1)
    assert news(directory(P1).members, directory(P1, role, P3).members) == [role, P3]


# --- who hears it -----------------------------------------------------------------------------------


class Told:
    """Lanes that note what they would take where."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, Call]] = []
        self.once: list[str] = []
        self.ids = iter(range(1000))

    def lanes(self) -> Lanes:
        told = self

        class Noting(Lanes):
            def push(self, parcel: Parcel) -> None:
                told.calls.append((parcel.name, parcel.partner.id, parcel.call))
                told.once.append(parcel.once)

        return Noting(self._send, self._lost, lambda _: None, max_messages=1)

    async def _send(self, call: Call) -> Answer:
        raise AssertionError("nothing is sent here")

    async def _lost(self, partner: Partner) -> None:
        raise AssertionError("nobody is lost here")

    def new_id(self) -> str:
        return f"id-{next(self.ids)}"


@pytest.fixture
def told() -> Told:
    return Told()


def tell(told: Told, before: Directory, now: Directory) -> list[int]:
    ClientInfoNews(told.lanes(), told.new_id)(before, now)
    return [number for _, number, _ in told.calls]


def test_news_is_put_to_every_other_partner_under_the_party_described(told: Told) -> None:
    """HC-04, R-05, T-20, X-40."""
    assert tell(told, directory(P1, *P2), directory(*ALL)) == [1, 2]
    name, _, call = told.calls[0]
    assert (name, call.method, call.url) == ("partner 1", "PUT", "https://p1.example/clientinfo/NL/MS1")
    assert json.loads(call.body or b"")["status"] == "CONNECTED"
    assert set(call.headers) == {"Authorization", "Content-Type", "X-Request-ID", "X-Correlation-ID"}


def test_all_message_ids_differ(told: Told) -> None:
    """T-20."""
    tell(told, directory(P1, *P2), directory(*ALL))
    ids = [call.headers[name] for _, _, call in told.calls for name in ("X-Request-ID", "X-Correlation-ID")]
    assert len(ids) == len(set(ids)) == 4


def test_the_same_news_has_the_same_id_in_every_process_and_other_news_another(told: Told) -> None:
    tell(told, directory(P1, *P2), directory(*ALL))
    first = list(told.once)
    tell(told, directory(P1, *P2), directory(*ALL))
    assert told.once == first * 2
    tell(told, directory(*ALL), directory(P1, *P2, replace(P3, status=Presence.OFFLINE, last_updated=T + SECOND)))
    assert len(set(told.once)) == 4


@pytest.mark.parametrize(
    ("receiver", "members"),
    [
        pytest.param(partner(1, url=None), (P1,), id="no RECEIVER endpoint"),
        pytest.param(partner(1, is_joined=False), (P1,), id="C-20 its registration is still open"),
        pytest.param(partner(1), (replace(P1, status=Presence.OFFLINE),), id="HC-10 offline: it catches up by GET"),
    ],
)
def test_who_is_not_told(receiver: Partner, members: tuple[Member, ...], told: Told) -> None:
    """HC-04."""
    before = directory(*members, *P2, partners=(receiver, partner(2)))
    now = directory(*members, *P2, P3, partners=(receiver, partner(2), partner(3)))
    assert tell(told, before, now) == [2]


def test_a_partner_is_not_told_about_itself(told: Told) -> None:
    before = directory(P1, *(replace(one, status=Presence.OFFLINE) for one in P2))
    assert tell(told, before, directory(P1, *P2)) == [1, 1], "one PUT a role"


def test_a_partner_that_returns_does_not_hear_what_it_missed(told: Told) -> None:
    """HC-10: it asks."""
    before = directory(replace(P1, status=Presence.OFFLINE), P3)
    assert tell(told, before, directory(P1, P3)) == [3]


def test_reading_the_directory_for_the_first_time_is_no_news(told: Told) -> None:
    """HC-07: a restart of the hub changes nobody's status."""
    assert tell(told, Directory(HUB), directory(*ALL)) == []


def test_the_endpoint_of_a_partner_may_end_in_a_slash_and_have_a_query(told: Told) -> None:
    """T-21, V-06."""
    partners: tuple[Any, ...] = (partner(1, url="https://p{}.example/x/?k=1"),)
    tell(told, directory(P1, partners=partners), directory(P1, P3, partners=partners))
    assert [call.url for _, _, call in told.calls] == ["https://p1.example/x/NL/MS1?k=1"]
