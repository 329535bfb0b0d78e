"""The picture of who is connected, as a function of values: checklist B-03 to B-08, R-02, HC-05, HC-10, C-24, Y-04."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hub.partners.directory import Directory, Member, Partner, Presence
from hub.partners.roster import read_directory
from hub.store.partners import JOINED, JOINING, LEFT, Rows
from hub.store.secrets import Safe
from hub.store.tables import EndpointRow, PartnerRow, PartyRow
from ocpi_modules.catalog import MODULES
from ocpi_modules.cdrs import CDRS
from ocpi_modules.locations import LOCATIONS
from ocpi_modules.module import Interface, Module
from ocpi_modules.parties import Party, Role
from ocpi_modules.tariffs import TARIFFS
from ocpi_modules.tokens import TOKENS

HUB = Party("NL", "HUB")
NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
RECEIVES_ALL = {(module_id, Interface.RECEIVER): f"https://p.example/{module_id}" for module_id in MODULES}


def partner(partner_id: int, endpoints: Iterable[str] = tuple(MODULES)) -> Partner:
    kept = {key: url for key, url in RECEIVES_ALL.items() if key[0] in set(endpoints)}
    return Partner(partner_id, f"P{partner_id}", "https://p.example", True, b"%d" % partner_id, "token", kept)


def member(text: str, partner_id: int | None, status: Presence = Presence.CONNECTED) -> Member:
    """``member("CPO DE/CP1", 1)``."""
    role, party = text.split(" ")
    return Member(Party.parse(party), Role(role), text, status, NOW, partner_id)


@pytest.fixture
def everybody() -> Directory:
    """The platforms of the checklist's test bench: one CPO; CPO and EMSP together; and one of each other role."""
    members = (
        member("CPO DE/CP1", 1),
        member("CPO BE/CP2", 2),
        member("EMSP BE/MS2", 2),
        member("EMSP NL/MS1", 3),
        member("NSP GB/NS1", 4),
        member("NAP FR/NAP", 5),
        member("SCSP DE/SC1", 6),
        member("OTHER NL/OT1", 7),
        member("EMSP AT/OFF", 8, Presence.OFFLINE),
        member("EMSP DE/NEW", None, Presence.PLANNED),
        member("EMSP DE/OLD", 9, Presence.SUSPENDED),
    )
    return Directory(HUB, {n: partner(n) for n in range(1, 9)}, members)


REACH = [
    pytest.param("DE/CP1", LOCATIONS, "BE/MS2 FR/NAP GB/NS1 NL/MS1 NL/OT1", id="a CPO's location (B-03)"),
    pytest.param("DE/CP1", TARIFFS, "BE/MS2 FR/NAP GB/NS1 NL/MS1 NL/OT1", id="a CPO's tariff (B-03)"),
    pytest.param("BE/CP2", LOCATIONS, "BE/MS2 FR/NAP GB/NS1 NL/MS1 NL/OT1", id="also to its own platform"),
    pytest.param("NL/MS1", TOKENS, "BE/CP2 DE/CP1", id="an EMSP's token: to CPOs (B-04)"),
    pytest.param("NL/OT1", TOKENS, "BE/CP2 DE/CP1", id="OTHER: to CPOs only (B-05)"),
    pytest.param("FR/NAP", LOCATIONS, "BE/MS2 GB/NS1 NL/MS1 NL/OT1", id="a NAP's location, never back to NAPs (B-06)"),
    pytest.param("NL/MS1", LOCATIONS, "", id="an EMSP sends no locations"),
    pytest.param("GB/NS1", LOCATIONS, "", id="an NSP only listens"),
    pytest.param("DE/SC1", LOCATIONS, "", id="an SCSP has nothing to tell everybody (B-06, X-14)"),
    pytest.param("DE/CP1", TOKENS, "", id="a CPO sends no tokens"),
    pytest.param("XX/NIX", LOCATIONS, "", id="nobody knows the sender"),
    pytest.param("DE/OLD", TOKENS, "", id="a suspended party has no role left (HC-05)"),
]


@pytest.mark.parametrize(("sender", "module", "reached"), REACH)
def test_a_broadcast_reaches_the_opposite_roles(
    everybody: Directory, sender: str, module: Module, reached: str
) -> None:
    """B-03 to B-08, X-14, HC-10: once a party, in a fixed order, never the sender, only who is connected."""
    found = everybody.broadcast_receivers(module, Party.parse(sender))
    assert [str(party) for party in found] == reached.split()


def test_a_broadcast_leaves_out_who_offers_no_such_interface(everybody: Directory) -> None:
    """B-07, T-24."""
    partners = dict(everybody.partners) | {3: partner(3, ["cdrs"])}
    thinner = Directory(HUB, partners, everybody.members)
    found = thinner.broadcast_receivers(LOCATIONS, Party("DE", "CP1"))
    assert Party("NL", "MS1") not in found
    assert Party("BE", "MS2") in found


def test_a_party_in_two_roles_gets_one_copy() -> None:
    """B-08."""
    members = (member("CPO DE/CP1", 1), member("EMSP NL/XX1", 2), member("NSP NL/XX1", 2))
    directory = Directory(HUB, {1: partner(1), 2: partner(2)}, members)
    assert directory.broadcast_receivers(LOCATIONS, Party("DE", "CP1")) == (Party("NL", "XX1"),)


def test_a_broadcast_never_returns_to_a_party_that_is_both() -> None:
    """B-08, C-22: CPO and EMSP with one id."""
    members = (member("CPO DE/TWO", 1), member("EMSP DE/TWO", 1), member("EMSP NL/MS1", 2))
    directory = Directory(HUB, {1: partner(1), 2: partner(2)}, members)
    assert directory.broadcast_receivers(LOCATIONS, Party("DE", "TWO")) == (Party("NL", "MS1"),)


@pytest.mark.parametrize(
    ("party", "partner_id"),
    [
        pytest.param("DE/CP1", 1, id="connected"),
        pytest.param("BE/MS2", 2, id="the second party of a platform"),
        pytest.param("AT/OFF", None, id="OFFLINE"),
        pytest.param("DE/NEW", None, id="PLANNED"),
        pytest.param("DE/OLD", None, id="SUSPENDED"),
        pytest.param("XX/NIX", None, id="unknown"),
    ],
)
def test_only_connected_parties_are_reached(everybody: Directory, party: str, partner_id: int | None) -> None:
    """R-02, HC-10."""
    found = everybody.partner_of(Party.parse(party))
    assert (found.id if found else None) == partner_id


def test_a_party_is_known_in_whatever_status(everybody: Directory) -> None:
    """HC-05, R-16: the difference between 4001 and 4003."""
    assert all(everybody.knows(Party.parse(party)) for party in ("DE/CP1", "AT/OFF", "DE/NEW", "DE/OLD"))
    assert not everybody.knows(Party("XX", "NIX"))


def test_the_parties_of_a_partner_can_be_narrowed_to_roles(everybody: Directory) -> None:
    """R-01."""
    second = everybody.partners[2]
    assert everybody.parties_of(second) == {Party("BE", "CP2"), Party("BE", "MS2")}
    assert everybody.parties_of(second, CDRS.senders) == {Party("BE", "CP2")}


def test_suspended_parties_stand_behind_no_partner() -> None:
    """C-25: a role that was dropped by PUT may not be used any more."""
    members = (member("CPO DE/CP1", 1), member("EMSP DE/MS9", 1, Presence.SUSPENDED))
    directory = Directory(HUB, {1: partner(1)}, members)
    assert directory.parties_of(directory.partners[1]) == {Party("DE", "CP1")}
    assert directory.roles(Party("DE", "MS9")) == frozenset()


def test_a_caller_is_found_by_the_hash_of_its_token(everybody: Directory) -> None:
    """T-02."""
    assert everybody.caller(b"3") == everybody.partners[3]
    assert everybody.caller(b"no such hash") is None
    assert everybody.caller(b"") is None


def test_a_partner_is_offline_when_its_parties_are(everybody: Directory) -> None:
    """HC-09."""
    assert [n for n, found in everybody.partners.items() if everybody.is_offline(found)] == [8]


def test_a_token_does_not_show_in_the_text_of_a_partner() -> None:
    assert "the-secret" not in repr(replace(partner(1), token="the-secret"))


def party_row(text: str, partner_id: int | None, status: str) -> PartyRow:
    role, party = text.split(" ")
    country_code, party_id = party.split("/")
    return PartyRow(
        country_code=country_code,
        party_id=party_id,
        role=role,
        partner_id=partner_id,
        name=text,
        business_details="{}",
        status=status,
        last_updated=NOW,
    )


def test_rows_become_the_picture() -> None:
    """C-16 (who left is no partner any more), C-20 (who is joining is one, but has not joined)."""
    safe = Safe(b"a key for tests")
    states = {1: JOINED, 2: JOINING, 3: LEFT}
    partners = [
        PartnerRow(
            id=n,
            name=f"P{n}",
            versions_url="https://p.example",
            state=state,
            token_hash=b"%d" % n,
            token_sealed=safe.seal("token-B") if state == JOINED else None,
            joined_at=NOW,
        )
        for n, state in states.items()
    ]
    parties = [party_row("CPO DE/CP1", 1, "CONNECTED"), party_row("EMSP DE/NEW", None, "PLANNED")]
    endpoints = [EndpointRow(partner_id=1, module_id="tokens", interface="RECEIVER", url="https://p.example/t")]
    picture = read_directory(Rows(partners, parties, endpoints), safe, HUB)
    assert {n: found.is_joined for n, found in picture.partners.items()} == {1: True, 2: False}
    assert (picture.partners[1].token, picture.partners[2].token) == ("token-B", "")
    assert picture.partners[1].endpoint(TOKENS, Interface.RECEIVER) == "https://p.example/t"
    assert picture.partners[1].endpoint(TOKENS, Interface.SENDER) is None
    assert picture.members == (
        Member(Party("DE", "CP1"), Role.CPO, "CPO DE/CP1", Presence.CONNECTED, NOW, 1),
        Member(Party("DE", "NEW"), Role.EMSP, "EMSP DE/NEW", Presence.PLANNED, NOW, None),
    )
