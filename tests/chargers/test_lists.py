"""Who names the local CPO as receiver finds what every CPO has: lists, objects, a receiver for tokens (issue point 2)."""

from __future__ import annotations

from typing import Any

import pytest

from hub.chargers.events import IdToken, Spot
from ocpi_modules.catalog import MODULES
from ocpi_modules.module import Purpose
from tests.chargers.faces import CARD, Face
from tests.chargers.localworld import LOC, MS1, MS2

Object = dict[str, Any]


@pytest.fixture
async def told(face: Face, example: Any) -> Face:
    """The local CPO has said something of everything."""
    owner = {"country_code": "NL", "party_id": "LOC"}
    token = {**example("session")["cdr_token"], "country_code": "NL", "party_id": "MS1"}
    voice, session = face.place.voice, {**example("session"), **owner, "id": "sess-1", "cdr_token": token}
    for number in range(3):
        content = {**example("location"), **owner, "id": f"L{number}"}
        await voice.push(MODULES["locations"], Purpose.REPLACE, (f"L{number}",), content)
    await voice.push(MODULES["tariffs"], Purpose.REPLACE, ("T1",), {**example("tariff"), **owner, "id": "T1"})
    await voice.push(MODULES["sessions"], Purpose.REPLACE, ("sess-1",), session)
    await voice.push(MODULES["cdrs"], Purpose.ADD, (), {**example("cdr"), **owner, "id": "C1", "cdr_token": token})
    return face


async def ids(face: Face, module: str, reader: Any, query: str = "") -> list[str]:
    platform = face.emsp if reader == MS1 else face.other
    crawl = await platform.get_all(module, sender=reader, receiver=LOC, query=query)
    return [one["id"] for one in crawl.objects]


@pytest.mark.parametrize(
    ("module", "mine", "others"),
    [
        pytest.param("locations", ["L0", "L1", "L2"], ["L0", "L1", "L2"], id="for everybody"),
        pytest.param("tariffs", ["T1"], ["T1"], id="tariffs"),
        pytest.param("sessions", ["sess-1"], [], id="the eMSP's own sessions"),
        pytest.param("cdrs", ["C1"], [], id="the eMSP's own CDRs"),
    ],
)
@pytest.mark.proves("R-21")
async def test_its_lists_are_there(told: Face, module: str, mine: list[str], others: list[str]) -> None:
    assert await ids(told, module, MS1) == mine
    assert await ids(told, module, MS2) == others


async def test_its_lists_have_pages_with_links_of_the_hub(told: Face) -> None:
    """P-14."""
    assert await ids(told, "locations", MS1, "limit=1") == ["L0", "L1", "L2"]


async def test_nobody_elses_objects_are_among_them(told: Face, example: Any) -> None:
    foreign = await told.place.world.join("C1", ("CPO", "DE/CP1"))
    content = example("location", country_code="DE", party_id="CP1", id="FOREIGN")
    await foreign.push("locations", foreign.parties[0], ("FOREIGN",), content, receiver=None)
    assert "FOREIGN" not in await ids(told, "locations", MS1)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        pytest.param("locations/L1", 1000, id="a Location"),
        pytest.param("locations/L9", 2003, id="none"),
        pytest.param("tariffs/T1", 2001, id="tariffs are only listed"),
    ],
)
@pytest.mark.proves("L-02:chargers")
async def test_one_object_is_there_by_its_id(told: Face, path: str, code: int) -> None:
    module, _, key = path.partition("/")
    url = f"{told.emsp.connection.endpoints[module, 'SENDER']}/{key}"  # type: ignore[union-attr, index]  # it has joined
    heard = await told.emsp.get_page(url, sender=MS1, receiver=LOC)
    if module == "locations":
        assert heard.status_code == code
    else:
        assert heard.http_status == 404


async def test_a_token_that_is_meant_for_it_alone_is_good_here(face: Face) -> None:
    """X-13: and takes the place of the one that everybody has."""
    await face.push_token(face.emsp, {**CARD, "uid": "ALONE", "valid": False})
    private = {**CARD, "uid": "ALONE", "last_updated": "2026-02-01T00:00:00Z"}
    heard = await face.emsp.push("tokens", MS1, ("ALONE",), private, receiver=LOC)
    assert heard.is_success
    assert (await face.authoriser.authorise("CS1", IdToken("alone"), Spot(0, 1))).is_granted
    read = await face.emsp.read("tokens", MS1, ("ALONE",), receiver=LOC)
    assert read.data["valid"] is True
    unknown = {"valid": True, "last_updated": "2026-02-01T00:00:00Z"}
    patched = await face.emsp.patch("tokens", MS1, ("NONE",), unknown, receiver=LOC)
    assert patched.status_code == 2004


async def test_what_everybody_is_told_it_is_not_told(face: Face) -> None:
    """A part of the hub has what the hub keeps."""
    directory = face.place.hub.roster.directory
    assert LOC not in directory.broadcast_receivers(MODULES["tokens"], MS1)


async def test_nobody_pulls_from_it(face: Face) -> None:
    (local,) = [one for one in face.place.hub.roster.directory.partners.values() if one.is_local]
    errand = await face.place.hub.puller._errand(local, MODULES["locations"], is_crawl=True)
    assert errand is None


@pytest.mark.proves("SE-03")
async def test_charging_preferences_without_a_managed_site_are_not_possible(told: Face) -> None:
    url = f"{told.emsp.connection.endpoints['sessions', 'SENDER']}/sess-1/charging_preferences"  # type: ignore[union-attr, index]
    heard = await told.emsp.call("PUT", url, sender=MS1, receiver=LOC, content={"profile_type": "GREEN"})
    assert heard.data == "NOT_POSSIBLE"
    for wrong in ({}, {"profile_type": None}):
        heard = await told.emsp.call("PUT", url, sender=MS1, receiver=LOC, content=wrong)
        assert heard.status_code == 2001
    heard = await told.emsp.call(
        "PUT", url.replace("sess-1", "sess-2"), sender=MS1, receiver=LOC, content={"profile_type": "GREEN"}
    )
    assert heard.status_code == 2001
