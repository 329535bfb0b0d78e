"""Who said how an EVSE is, where its charge point is joined to the hub itself (docs: source ``station``)."""

from __future__ import annotations

from datetime import timedelta

from hub.navigation.location import Source
from hub.navigation.public import read_public
from hub.navigation.standings import standings
from hub.partners.directory import Directory, Member, Partner, Presence
from ocpi_modules.parties import Party, Role
from tests.navigation.dirt import HEARD, clean, kept


def partner(id_: int, versions_url: str) -> Partner:
    return Partner(id=id_, name="", versions_url=versions_url, is_joined=True, token_hash=b"", token="")


def test_local_charge_points_speak_for_themselves() -> None:
    local, foreign = Party("NL", "LOC"), Party("DE", "CP1")
    directory = Directory(
        Party("NL", "HUB"),
        {1: partner(1, "local:chargers"), 2: partner(2, "https://cpo.example/versions")},
        tuple(
            Member(party, Role.CPO, "", Presence.CONNECTED, HEARD, number)
            for number, party in enumerate((local, foreign), 1)
        ),
    )
    found = standings(directory, HEARD, timedelta(minutes=5))
    assert (found[local].is_station, found[foreign].is_station) == (True, False)
    public = {party: read_public(kept(clean()), standing).location for party, standing in found.items()}
    sources = {party: location.source for party, location in public.items() if location is not None}
    assert sources[local] is Source.STATION
    assert sources[foreign] in {Source.PUSH, Source.PULL}
