"""Partners, parties and invitations: each step all or nothing (C-05, C-06, C-12 to C-16, C-20 to C-24, HC-05 to HC-07)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.store.database import Database
from hub.store.partners import (
    CONNECTED,
    JOINED,
    JOINING,
    LEFT,
    OFFLINE,
    PLANNED,
    SUSPENDED,
    Partners,
    PartyRole,
    Registration,
)
from ocpi_modules.errors import InvalidParameters, Unauthenticated
from ocpi_modules.parties import Party, Role
from tests.store import CP1, CP2, MS1, MS2

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER, SOON = NOW + timedelta(days=1), NOW + timedelta(minutes=1)
CPO1, EMSP1 = PartyRole(CP1, Role.CPO), PartyRole(MS1, Role.EMSP)
CPO2, EMSP2 = PartyRole(CP2, Role.CPO), PartyRole(MS2, Role.EMSP)


@pytest.fixture
def partners(database: Database) -> Partners:
    return Partners(database)


def hashed(token: str) -> bytes:
    return token.encode().ljust(32, b".")


def said(*roles: PartyRole, token: str = "c", **changes: Any) -> Registration:
    fields: dict[str, Any] = {
        "versions_url": "https://p.example/versions",
        "name": "P",
        "roles": dict.fromkeys(roles, '{"name": "P"}'),
        "endpoints": {("locations", "RECEIVER"): "https://p.example/l", ("tokens", "SENDER"): "https://p.example/t"},
        "inbound_hash": hashed(token),
        "outbound_sealed": b"sealed",
    }
    return Registration(**{**fields, **changes})


async def invite(partners: Partners, token: str, *roles: PartyRole, expires_at: datetime = LATER) -> int:
    return await partners.invite(hashed(token), roles, NOW, expires_at)


async def join(partners: Partners, *roles: PartyRole, token: str = "c", now: datetime = NOW, **changes: Any) -> int:
    await invite(partners, f"a-{token}", *roles)
    return await partners.join(hashed(f"a-{token}"), said(*roles, token=token, **changes), now)


async def statuses(partners: Partners) -> dict[str, str]:
    return {f"{row.country_code}/{row.party_id} {row.role}": row.status for row in (await partners.load()).parties}


async def moments(partners: Partners) -> dict[str, datetime]:
    return {f"{row.country_code}/{row.party_id}": row.last_updated for row in (await partners.load()).parties}


# --- invitations ------------------------------------------------------------------------------------


async def test_an_invitation_opens_for_its_roles_and_makes_them_planned(partners: Partners) -> None:
    """HC-06, C-25."""
    number = await invite(partners, "a", CPO1, EMSP1)
    assert await partners.invitation(hashed("a"), NOW) == (number, frozenset({CPO1, EMSP1}))
    assert await partners.invited_parties(NOW) == {CP1, MS1}
    assert await statuses(partners) == {"DE/CP1 CPO": PLANNED, "NL/MS1 EMSP": PLANNED}


async def test_an_unknown_token_is_no_invitation(partners: Partners) -> None:
    """T-02."""
    assert await partners.invitation(hashed("nope"), NOW) is None
    with pytest.raises(Unauthenticated):
        await partners.join(hashed("nope"), said(CPO1), NOW)


async def test_an_invitation_is_good_once(partners: Partners) -> None:
    """C-05."""
    await join(partners, CPO1)
    assert await partners.invitation(hashed("a-c"), NOW) is None
    with pytest.raises(Unauthenticated):
        await partners.join(hashed("a-c"), said(CPO1, token="c2"), NOW)
    assert len((await partners.load()).partners) == 1


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        pytest.param(SOON - timedelta(milliseconds=1), True, id="just before"),
        pytest.param(SOON, False, id="at the moment itself"),
        pytest.param(LATER, False, id="after"),
    ],
)
async def test_an_invitation_ends(now: datetime, is_open: bool, partners: Partners) -> None:
    await invite(partners, "a", CPO1, expires_at=SOON)
    assert (await partners.invitation(hashed("a"), now) is not None) is is_open
    assert await partners.invited_parties(now) == ({CP1} if is_open else frozenset())
    if not is_open:
        with pytest.raises(Unauthenticated):
            await partners.join(hashed("a"), said(CPO1), now)


async def test_a_revoked_invitation_opens_nothing_and_its_parties_are_suspended_until_they_are_invited_again(
    partners: Partners,
) -> None:
    number = await invite(partners, "a", CPO1)
    assert await partners.revoke(number, NOW)
    assert await partners.invitation(hashed("a"), NOW) is None
    assert await statuses(partners) == {"DE/CP1 CPO": SUSPENDED}
    assert not await partners.revoke(number, NOW), "once is enough"
    await invite(partners, "b", CPO1)
    assert await statuses(partners) == {"DE/CP1 CPO": PLANNED}


async def test_a_used_invitation_cannot_be_revoked(partners: Partners) -> None:
    await join(partners, CPO1)
    (row,) = await partners.invitations()
    assert row.id is not None
    assert not await partners.revoke(row.id, NOW)
    assert await statuses(partners) == {"DE/CP1 CPO": CONNECTED}
    assert not await partners.revoke(4711, NOW)


async def test_revoking_leaves_parties_that_joined_meanwhile(partners: Partners) -> None:
    """C-24: two invitations for one party; the one that is left over takes nothing away."""
    number = await invite(partners, "a", CPO1)
    await join(partners, CPO1)
    assert await partners.revoke(number, NOW)
    assert await statuses(partners) == {"DE/CP1 CPO": CONNECTED}


async def test_a_party_stays_planned_while_another_invitation_names_it(partners: Partners) -> None:
    """HC-06."""
    first, second = [await invite(partners, token, CPO1) for token in "ab"]
    assert await partners.revoke(first, NOW)
    assert await statuses(partners) == {"DE/CP1 CPO": PLANNED}
    assert await partners.revoke(second, NOW)
    assert await statuses(partners) == {"DE/CP1 CPO": SUSPENDED}


async def test_invitations_are_listed_the_newest_first(partners: Partners) -> None:
    numbers = [await invite(partners, token, CPO1) for token in "ab"]
    assert [row.id for row in await partners.invitations()] == numbers[::-1]


async def test_the_same_token_twice_at_once_joins_one_partner(partners: Partners) -> None:
    """C-05: the second one finds it dead."""
    await invite(partners, "a", CPO1)
    attempts = [partners.join(hashed("a"), said(CPO1, token=f"c{number}"), NOW) for number in range(4)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sorted(type(outcome) is int for outcome in outcomes) == [False, False, False, True]
    assert all(isinstance(outcome, Unauthenticated) for outcome in outcomes if not isinstance(outcome, int))
    assert len((await partners.load()).partners) == 1


# --- joining ----------------------------------------------------------------------------------------


async def test_a_partner_that_joined_is_all_there(partners: Partners) -> None:
    """C-01, C-22, HC-11."""
    number = await join(partners, CPO2, EMSP2, PartyRole(CP2, Role.EMSP))
    rows = await partners.load()
    (partner,) = rows.partners
    assert (partner.id, partner.state, partner.token_hash, partner.token_sealed) == (
        number,
        JOINED,
        hashed("c"),
        b"sealed",
    )
    assert {(row.module_id, row.interface, row.url) for row in rows.endpoints} == {
        ("locations", "RECEIVER", "https://p.example/l"),
        ("tokens", "SENDER", "https://p.example/t"),
    }
    assert await statuses(partners) == {"BE/CP2 CPO": CONNECTED, "BE/MS2 EMSP": CONNECTED, "BE/CP2 EMSP": CONNECTED}
    assert {row.partner_id for row in rows.parties} == {number}


async def test_a_party_that_another_partner_holds_cannot_be_taken(partners: Partners) -> None:
    """C-24, X-11: not by an invitation, not by joining, not by renewing, in no role, connected or offline."""
    first = await join(partners, CPO1)
    second = await join(partners, CPO2, token="c2")
    for status in (CONNECTED, OFFLINE):
        await partners.set_status(first, status, NOW)
        with pytest.raises(InvalidParameters, match="DE/CP1"):
            await invite(partners, f"a2-{status}", PartyRole(CP1, Role.EMSP))
        with pytest.raises(InvalidParameters, match="DE/CP1"):
            await partners.renew(second, said(CPO2, CPO1, token="c3"), NOW, replaces=hashed("c2"))
    holders = {(row.country_code, row.party_id): row.partner_id for row in (await partners.load()).parties}
    assert holders == {("DE", "CP1"): first, ("BE", "CP2"): second}


async def test_of_two_that_want_the_same_party_one_gets_it(partners: Partners) -> None:
    """C-24, C-06: whoever comes second has joined nothing."""
    await invite(partners, "a1", CPO1)
    await invite(partners, "a2", CPO1, CPO2)
    outcomes = await asyncio.gather(
        partners.join(hashed("a1"), said(CPO1, token="c1"), NOW),
        partners.join(hashed("a2"), said(CPO2, CPO1, token="c2"), NOW),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)] == [InvalidParameters]
    assert len((await partners.load()).partners) == 1


async def test_a_join_that_fails_leaves_nothing_and_the_invitation_open(partners: Partners) -> None:
    """C-06."""
    await join(partners, CPO1)
    await invite(partners, "a", CPO2)
    with pytest.raises(InvalidParameters):
        await partners.join(hashed("a"), said(CPO2, CPO1, token="c2"), NOW)
    assert await statuses(partners) == {"DE/CP1 CPO": CONNECTED, "BE/CP2 CPO": PLANNED}
    assert len((await partners.load()).partners) == 1
    assert await partners.join(hashed("a"), said(CPO2, token="c2"), NOW)


async def test_a_party_of_a_partner_that_left_may_come_back_elsewhere(partners: Partners) -> None:
    """X-11, X-47."""
    first = await join(partners, CPO1)
    await partners.leave(first, NOW)
    second = await join(partners, CPO1, token="c2", now=SOON)
    (row,) = (await partners.load()).parties
    assert (row.partner_id, row.status, row.last_updated) == (second, CONNECTED, SOON)


# --- renewing ---------------------------------------------------------------------------------------


async def test_renewing_replaces_tokens_endpoints_and_roles_in_one_step(partners: Partners) -> None:
    """C-12, C-13, C-25."""
    number = await join(partners, CPO2, EMSP2)
    endpoints = {("cdrs", "SENDER"): "https://new.example/cdrs"}
    await partners.renew(
        number, said(CPO2, CPO1, token="c2", name="New", endpoints=endpoints), SOON, replaces=hashed("c")
    )
    rows = await partners.load()
    (partner,) = rows.partners
    assert (partner.name, partner.token_hash) == ("New", hashed("c2"))
    assert [(row.module_id, row.interface) for row in rows.endpoints] == [("cdrs", "SENDER")]
    assert await statuses(partners) == {"BE/CP2 CPO": CONNECTED, "BE/MS2 EMSP": SUSPENDED, "DE/CP1 CPO": CONNECTED}
    assert await moments(partners) == {"BE/CP2": NOW, "BE/MS2": SOON, "DE/CP1": SOON}, "HC-07: only what changed"


async def test_renewing_brings_an_offline_partner_back(partners: Partners) -> None:
    """HC-09."""
    number = await join(partners, CPO1)
    await partners.set_status(number, OFFLINE, NOW)
    await partners.renew(number, said(CPO1, token="c2"), SOON, replaces=hashed("c"))
    assert (await statuses(partners), await moments(partners)) == ({"DE/CP1 CPO": CONNECTED}, {"DE/CP1": SOON})


async def test_of_two_renewals_with_one_token_the_second_finds_it_dead(partners: Partners) -> None:
    """C-13: a token that was answered has to work."""
    number = await join(partners, CPO1)
    await partners.renew(number, said(CPO1, token="c2"), SOON, replaces=hashed("c"))
    with pytest.raises(Unauthenticated):
        await partners.renew(number, said(CPO1, token="c3"), SOON, replaces=hashed("c"))


async def test_a_renewal_that_fails_changes_nothing(partners: Partners) -> None:
    """C-14."""
    await join(partners, CPO1)
    number = await join(partners, CPO2, token="c2")
    before = await partners.load()
    with pytest.raises(InvalidParameters):
        await partners.renew(number, said(CPO1, token="c3", name="New", endpoints={}), SOON, replaces=hashed("c2"))
    after = await partners.load()
    assert {row.id: (row.name, row.token_hash) for row in after.partners} == {
        row.id: (row.name, row.token_hash) for row in before.partners
    }
    assert len(after.endpoints) == len(before.endpoints)
    assert await statuses(partners) == {"DE/CP1 CPO": CONNECTED, "BE/CP2 CPO": CONNECTED}


# --- leaving ----------------------------------------------------------------------------------------


async def test_a_partner_that_left_has_no_token_and_its_parties_stay_listed(partners: Partners) -> None:
    """C-16, HC-05."""
    number = await join(partners, CPO1)
    await partners.leave(number, SOON)
    rows = await partners.load()
    (partner,) = rows.partners
    assert (partner.state, partner.token_hash, partner.token_sealed) == (LEFT, None, None)
    assert list(rows.endpoints) == []
    assert (await statuses(partners), await moments(partners)) == ({"DE/CP1 CPO": SUSPENDED}, {"DE/CP1": SOON})


async def test_several_partners_may_have_left(partners: Partners) -> None:
    """C-16: having no token is nothing that only one may have."""
    for number, role in enumerate([CPO1, CPO2]):
        await partners.leave(await join(partners, role, token=f"c{number}"), NOW)
    assert {row.state for row in (await partners.load()).partners} == {LEFT}


# --- presence ---------------------------------------------------------------------------------------


async def test_the_date_of_a_party_moves_with_its_status_and_only_then(partners: Partners) -> None:
    """HC-07, HC-09."""
    number = await join(partners, CPO1)
    await partners.set_status(number, CONNECTED, SOON)
    assert await moments(partners) == {"DE/CP1": NOW}
    await partners.set_status(number, OFFLINE, SOON)
    assert (await statuses(partners), await moments(partners)) == ({"DE/CP1 CPO": OFFLINE}, {"DE/CP1": SOON})
    await partners.set_status(number, OFFLINE, LATER)
    assert await moments(partners) == {"DE/CP1": SOON}


async def test_a_suspended_party_is_not_brought_back_by_a_sign_of_life(partners: Partners) -> None:
    """HC-05, C-25."""
    number = await join(partners, CPO2, EMSP2)
    await partners.renew(number, said(CPO2, token="c2"), NOW, replaces=hashed("c"))
    for status in (OFFLINE, CONNECTED):
        await partners.set_status(number, status, SOON)
        assert await statuses(partners) == {"BE/CP2 CPO": status, "BE/MS2 EMSP": SUSPENDED}


async def test_the_time_of_the_last_message_is_kept(partners: Partners) -> None:
    """HC-08."""
    numbers = [await join(partners, CPO1), await join(partners, CPO2, token="c2")]
    await partners.heard({numbers[1]: LATER, numbers[0]: SOON})
    await partners.heard({})
    assert {row.id: row.heard_at for row in (await partners.load()).partners} == {numbers[0]: SOON, numbers[1]: LATER}


# --- our own registrations --------------------------------------------------------------------------


async def test_a_registration_of_our_own_is_open_until_it_is_joined_or_discarded(partners: Partners) -> None:
    """C-20, C-21."""
    number = await partners.open("https://x.example/versions", hashed("b"), NOW)
    (row,) = (await partners.load()).partners
    assert (row.state, row.token_hash) == (JOINING, hashed("b"))
    await partners.discard(number)
    assert list((await partners.load()).partners) == []


async def test_a_joined_partner_cannot_be_discarded(partners: Partners) -> None:
    """C-21."""
    number = await partners.open("https://x.example/versions", hashed("b"), NOW)
    await partners.renew(number, said(CPO1, token="b"), NOW, replaces=hashed("b"))
    await partners.discard(number)
    assert [row.state for row in (await partners.load()).partners] == [JOINED]


async def test_a_rotation_moves_the_open_token_to_its_partner(partners: Partners) -> None:
    """C-26."""
    number = await join(partners, CPO1)
    opened = await partners.open("https://p.example/versions", hashed("new"), NOW)
    await partners.retoken(number, hashed("new"), b"sealed anew", opened)
    rows = await partners.load()
    assert [(row.id, row.token_hash, row.token_sealed) for row in rows.partners] == [
        (number, hashed("new"), b"sealed anew")
    ]
    assert len(rows.endpoints) == 2


async def test_a_party_is_named_by_its_business_details_or_by_itself(partners: Partners) -> None:
    """HC-02."""
    await join(partners, CPO1)
    await invite(partners, "a2", EMSP1)
    names = {Party(row.country_code, row.party_id): row.name for row in (await partners.load()).parties}
    assert names == {CP1: "P", MS1: "NL/MS1"}
