"""Sites in every process, and changes of them: all or nothing, once, one after another."""

from __future__ import annotations

import asyncio

import pytest

from hub.chargers.provisioning import BadProvisions
from hub.store.database import Database
from ocpi_modules.errors import InvalidParameters
from tests.chargers.sitehouse import House, depot, plug, provisions, tariff


async def test_what_is_imported_again_is_an_update_and_what_is_not_named_stays(house: House) -> None:
    await house.keeper.provision(provisions())
    before = (await house.sites.load()).sites["DEPOT"]
    await house.keeper.provision(provisions())
    assert (await house.sites.load()).sites["DEPOT"] == before
    house.clock.later(seconds=1)
    await house.keeper.provision({"sites": [depot(id="OTHER", evses=[]), depot(name="New")]})
    assert [*house.keeper.book.sites] == ["DEPOT", "OTHER"]
    assert [*house.keeper.book.tariffs] == ["T1"]
    after = (await house.sites.load()).sites["DEPOT"]
    assert (after.version, after.updated_at > before.updated_at) == (before.version + 1, True)


async def test_nothing_is_kept_where_anything_is_wrong(house: House) -> None:
    wrong = provisions(stations=[{"identity": "CP-1"}, {"identity": "a/b"}])
    with pytest.raises(BadProvisions, match=r"stations\[1\]\.identity"):
        await house.keeper.provision(wrong)
    kept = await house.sites.load()
    assert (kept.sites, kept.tariffs, await house.stations.all()) == ({}, {}, [])


async def test_a_new_station_without_a_secret_gets_one_once(house: House) -> None:
    wanted = {"stations": [{"identity": "CP-1", "note": "gate"}, {"identity": "CP-2", "secret": "a-secret-of-cp-2"}]}
    made = await house.keeper.provision(wanted)
    assert [*made.secrets] == ["CP-1"]
    assert len(made.secrets["CP-1"]) == 40
    assert bytes.fromhex(made.secrets["CP-1"])  # as AuthorizationKey of OCPP 1.6 may have to be
    assert (await house.keeper.provision(wanted)).secrets == {}


async def test_a_station_in_the_inbox_that_is_named_is_let_in(house: House) -> None:
    await house.book.admit("CP-1", None, "203.0.113.7", is_secure=False)
    made = await house.keeper.provision({"stations": [{"identity": "CP-1"}]})
    assert (await house.book.standing("CP-1")).value == "Accepted"
    assert made.secrets.keys() == {"CP-1"}


@pytest.mark.proves("L-23")
async def test_a_tariff_that_a_connector_names_stays(house: House) -> None:
    await house.keeper.provision(provisions())
    with pytest.raises(BadProvisions, match="DEPOT/1/A"):
        await house.keeper.drop_tariff("T1")
    assert not await house.keeper.drop_tariff("T9")
    await house.keeper.drop_site("DEPOT")
    assert await house.keeper.drop_tariff("T1")


async def test_every_process_sees_a_change_by_itself_and_tells_whoever_wants_to_know(
    house: House, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.chargers.sites.LOOK_EVERY_SECONDS", 0.01)
    other = House(database)
    seen = asyncio.Event()
    other.keeper.on_change(lambda before, now: seen.set() if "DEPOT" in now.sites else None)
    await other.keeper.start()
    await house.keeper.provision(provisions())
    async with asyncio.timeout(60):
        await seen.wait()
    assert other.keeper.book == house.keeper.book
    await other.keeper.close()


async def test_two_operators_cannot_give_one_plug_to_two_sites(house: House, database: Database) -> None:
    """What one writes the other has to see, however close together they are."""
    other = House(database)
    await house.keeper.provision({"tariffs": [tariff()]})
    sites = [depot(id=id, evses=[{"uid": "1", "connectors": [plug("A", "CP-1", 1)]}]) for id in ("ONE", "TWO")]
    done = await asyncio.gather(
        house.keeper.provision({"sites": [sites[0]]}),
        other.keeper.provision({"sites": [sites[1]]}),
        return_exceptions=True,
    )
    assert sorted(isinstance(one, BadProvisions) for one in done) == [False, True]
    assert len((await house.sites.load()).sites) == 1


async def test_a_site_that_was_dropped_can_be_made_again_before_partners_heard_of_it(house: House) -> None:
    await house.furnish()
    await house.keeper.drop_site("DEPOT")
    house.clock.later(seconds=1)
    await house.keeper.provision({"sites": [depot()]})
    await house.showing.tell_all()
    (told,) = house.outlet.told
    assert [evse["status"] for evse in told.content["evses"]] == ["UNKNOWN", "UNKNOWN"]


async def test_the_local_cpo_is_a_party_from_the_first_site_on_whoever_provisioned_it(
    house: House, database: Database
) -> None:
    await house.keeper.provision({"tariffs": [tariff()]})
    assert house.joining.joined == 0
    outside = House(database)
    await outside.keeper.provision({"sites": [depot()]})
    assert outside.joining.joined == 1
    await house.keeper.refresh()
    await house.watch.look()
    assert house.joining.joined == 1  # as whoever leads: a command of another process may not have come to it
    await house.watch.look()
    assert house.joining.joined == 1


async def test_nothing_is_provisioned_where_somebody_else_is_the_party(house: House) -> None:
    house.joining.taken = True
    with pytest.raises(InvalidParameters, match="NL/LOC"):
        await house.keeper.provision(provisions())
    assert (await house.sites.load()).sites == {}
