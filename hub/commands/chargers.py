"""`chargers import FILE` and `chargers stations`: the hub's own charge points, in the database of a hub that may run meanwhile."""

from __future__ import annotations

from pathlib import Path

from hub.chargers import passwords
from hub.chargers.provisioning import BadProvisions, decode_provisions
from hub.chargers.sites import Imported, Ports, SiteKeeper
from hub.clock import Clock
from hub.store.chargesites import ChargeSites
from hub.store.chargestations import ChargeStations, KeptStation
from hub.store.database import Database
from ocpi_modules.parties import Party

FILE_MAX_BYTES = 4 * 1024 * 1024


def keeper_on(database: Database, clock: Clock, party: Party) -> SiteKeeper:
    """Whoever keeps sites in a database; `party`: the local CPO."""
    sites, stations = ChargeSites(database.direct), ChargeStations(database.direct)
    return SiteKeeper(Ports(sites=sites, stations=stations, passwords=passwords, clock=clock, party=party))


def read_file(file: Path) -> bytes:
    """What is in a file. Raises ValueError."""
    try:
        text = file.read_bytes() if file.stat().st_size <= FILE_MAX_BYTES else None
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    if text is None:
        raise ValueError(f"{file} is longer than {FILE_MAX_BYTES} bytes")
    return text


async def import_text(keeper: SiteKeeper, text: bytes, *, is_yaml: bool) -> str:
    """Keep what is in a file; what to tell. Raises ValueError with every fault, a line for each."""
    try:
        return told(await keeper.provision(decode_provisions(text, is_yaml=is_yaml)))
    except BadProvisions as bad:
        raise ValueError("\n".join(["nothing was kept:", *(f"  {fault}" for fault in bad.faults)])) from bad


def told(imported: Imported) -> str:
    """What was kept, and the secrets that were made."""
    counts = f"kept {len(imported.sites)} sites, {len(imported.tariffs)} tariffs, {len(imported.stations)} stations"
    made = [f"  {identity}  {secret}" for identity, secret in imported.secrets.items()]
    return "\n".join([counts, *(["secrets of new stations, which are not shown again:", *made] if made else [])])


async def list_stations(stations: ChargeStations) -> str:
    """A line for each station."""
    lines = [_line(station) for station in await stations.all()]
    return "\n".join(lines) if lines else "no station has been named, and none has knocked"


def _line(station: KeptStation) -> str:
    there = "connected" if station.is_connected else "lost" if station.is_lost else "not connected"
    maker = " ".join(filter(None, (station.vendor, station.model, station.firmware)))
    heard = f"{station.heard_at:%Y-%m-%d %H:%M:%S}" if station.heard_at else "never heard"
    return "  ".join(filter(None, (station.identity, station.state, there, heard, station.protocol, maker)))
