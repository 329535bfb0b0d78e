"""`chargers import FILE` and `chargers stations`."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.clock import SystemClock
from hub.commands.chargers import import_text, keeper_on, list_stations, read_file
from hub.store.chargestations import ChargeStations
from hub.store.database import Database
from ocpi_modules.types import encode_json
from tests.chargers.sitehouse import LOC, depot, provisions


async def test_a_file_is_kept_and_its_stations_are_listed(database: Database) -> None:
    text = encode_json(provisions(stations=[{"identity": "CP-1"}]))
    told = (await import_text(keeper_on(database, SystemClock(), LOC), text, is_yaml=False)).splitlines()
    assert told[:2] == ["kept 1 sites, 1 tariffs, 1 stations", "secrets of new stations, which are not shown again:"]
    identity, secret = told[2].split()
    assert (identity, len(secret)) == ("CP-1", 40)
    assert await list_stations(ChargeStations(database.direct)) == "CP-1  Accepted  not connected  never heard"


async def test_every_fault_of_a_file_is_told(database: Database, tmp_path: Path) -> None:
    text = encode_json({"sites": [depot(city=None, country="NL")]})
    keeper = keeper_on(database, SystemClock(), LOC)
    with pytest.raises(ValueError, match=r"nothing was kept:\n(?s:.*)  sites\[0\]\.city(?s:.*)\n  sites\[0\]\.country"):
        await import_text(keeper, text, is_yaml=False)
    with pytest.raises(ValueError, match="cannot be read"):
        read_file(tmp_path / "nowhere.yaml")
    assert await list_stations(ChargeStations(database.direct)) == "no station has been named, and none has knocked"
