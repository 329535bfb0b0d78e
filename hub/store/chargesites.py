"""Sites and tariffs of the local CPO as they were provisioned, the status of each EVSE, and what of it partners have been told.

Every change of a site, its EVSEs included, has a stamp of its own that is later than the one before (UTC, milliseconds).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hub.store.chargestations import KeptConnector, NewStation, StationRows, write_stations
from hub.store.direct import Connection, Direct, Record

SITES_MAX = 20_000
TARIFFS_MAX = 20_000
DUE_MAX = 500
PROVISION_LOCK = 2_210_060

_TICK = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvse:
    """The status of an EVSE; `blocked_by` says who or what keeps it blocked, empty where nothing does."""

    site: str
    evse_uid: str
    status: str
    changed_at: datetime
    version: int
    told_version: int
    blocked_by: str

    @property
    def is_due(self) -> bool:
        """Whether partners do not know it."""
        return self.version != self.told_version


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptThing:
    """A site or a tariff; `content` is JSON text."""

    id: str
    content: str
    version: int
    told_version: int
    updated_at: datetime
    is_gone: bool

    @property
    def is_due(self) -> bool:
        """Whether partners do not know it."""
        return self.version != self.told_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """All that is provisioned, by id; what is gone stays until partners know it."""

    sites: Mapping[str, KeptThing]
    tariffs: Mapping[str, KeptThing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What is to be kept from now on: contents (JSON text) by id, the uids of the EVSEs of each site, and what goes."""

    sites: Mapping[str, str] = field(default_factory=dict)
    evses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tariffs: Mapping[str, str] = field(default_factory=dict)
    gone_sites: frozenset[str] = frozenset()
    gone_tariffs: frozenset[str] = frozenset()
    stations: tuple[NewStation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSite:
    """A site of which partners do not know something, with all of its EVSEs by uid, all as of one moment."""

    site: KeptThing
    evses: Mapping[str, KeptEvse]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What decides the status of EVSEs: connectors in OCPP's words, which stations are not there, who blocked which EVSE (by uid)."""

    connectors: Mapping[tuple[str, int, int], KeptConnector]
    lost: frozenset[str]
    blocked: Mapping[str, str]


Derive = Callable[[Seen], Mapping[str, str]]
"""The status of each EVSE by uid."""


class ChargeSites:
    """Reads and writes sites."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def load(self) -> Kept:
        """All of it."""
        sites = await self._direct.fetch(f"{_THING.format('charge_site')} limit {SITES_MAX}")
        tariffs = await self._direct.fetch(f"{_THING.format('charge_tariff')} limit {TARIFFS_MAX}")
        return _kept(sites, tariffs)

    async def mark(self) -> str:
        """A text that is another one whenever sites or tariffs changed."""
        (row,) = await self._direct.fetch(_MARK)
        return str(row["mark"])

    async def evses(self, site: str | None = None) -> list[KeptEvse]:
        """The EVSEs of a site, or of all, by site and uid."""
        rows = await self._direct.fetch(f"{_EVSE} where $1::text is null or site = $1 order by site, evse_uid", site)
        return [KeptEvse(**row) for row in rows]

    async def change(self, plan: Callable[[Kept], Written], now: datetime) -> Written:
        """Carry out what `plan` makes of what is there, as a whole; nobody else changes sites meanwhile. `plan` may raise."""
        async with self._direct.transaction() as connection:
            await connection.execute("select pg_advisory_xact_lock($1)", PROVISION_LOCK)
            sites = await connection.fetch(f"{_THING.format('charge_site')} for update")
            written = plan(_kept(sites, await connection.fetch(_THING.format("charge_tariff"))))
            await _write(connection, written, now)
        return written

    async def settle(self, site: str, stations: frozenset[str], derive: Derive, now: datetime) -> bool:
        """Write the status of each EVSE of a site anew; whether one is another than before. One after another, for a site."""
        async with self._direct.transaction() as connection:
            if not await connection.fetch("select id from charge_site where id = $1 for update", site):
                return False
            rows = await connection.fetch(f"{_EVSE} where site = $1", site)
            before = {row["evse_uid"]: KeptEvse(**row) for row in rows}
            statuses = derive(await _seen(connection, stations, before))
            changed = {
                uid: status for uid, status in statuses.items() if uid in before and before[uid].status != status
            }
            if changed:
                await connection.execute(_SET_STATUS, site, [*changed], [*changed.values()], now)
        return bool(changed)

    async def block(self, site: str, evse_uid: str, by: str) -> bool:
        """Somebody blocks an EVSE, or nobody does any more (empty); False where there is no such EVSE."""
        async with self._direct.transaction() as connection:
            rows = await connection.fetch(
                "update charge_evse e set blocked_by = $3 from charge_site s where s.id = e.site and not s.is_gone "
                "and e.site = $1 and e.evse_uid = $2 returning e.site",
                site,
                evse_uid,
                by,
            )
        return bool(rows)

    # --- what partners know ---

    async def due_tariffs(self) -> list[KeptThing]:
        """Tariffs that partners do not know as they are, the oldest change first."""
        rows = await self._direct.fetch(f"{_THING.format('charge_tariff')} {_IS_DUE} limit {DUE_MAX}")
        return [KeptThing(**row) for row in rows]

    async def due_sites(self) -> list[DueSite]:
        """Sites of which partners do not know something, the oldest change first."""
        rows = await self._direct.fetch(_DUE_SITES)
        found: dict[str, DueSite] = {}
        for row in rows:
            site = KeptThing(**{name: row[f"s_{name}"] for name in _THING_COLUMNS})
            evse = {} if row["evse_uid"] is None else {row["evse_uid"]: KeptEvse(**_only(row, _EVSE_COLUMNS))}
            before = found[site.id].evses if site.id in found else {}
            found[site.id] = DueSite(site=site, evses={**before, **evse})
        return [*found.values()]

    async def told_tariff(self, tariff: KeptThing) -> None:
        """Partners know a tariff as it was; one that is gone is forgotten."""
        async with self._direct.transaction() as connection:
            await connection.execute(_TOLD.format("charge_tariff"), tariff.id, tariff.version)
            await connection.execute(_FORGET.format("charge_tariff"), tariff.id, tariff.version)

    async def told_site(self, due: DueSite) -> None:
        """Partners know a site and its EVSEs as they were; one that is gone is forgotten."""
        async with self._direct.transaction() as connection:
            await connection.execute(_TOLD.format("charge_site"), due.site.id, due.site.version)
            uids, versions = [*due.evses], [evse.version for evse in due.evses.values()]
            await connection.execute(_TOLD_EVSES, due.site.id, uids, versions)
            await connection.execute(_FORGET.format("charge_site"), due.site.id, due.site.version)
            await connection.execute(_FORGET_EVSES, due.site.id)

    async def told_evse(self, evse: KeptEvse) -> None:
        """Partners know the status of an EVSE as it was."""
        await self._direct.execute(_TOLD_EVSES, evse.site, [evse.evse_uid], [evse.version])


async def _write(connection: Connection, written: Written, now: datetime) -> None:
    stamp = now.replace(microsecond=now.microsecond // 1000 * 1000)
    for table, contents in (("charge_tariff", written.tariffs), ("charge_site", written.sites)):
        if contents:
            await connection.execute(_PUT.format(table), [*contents], [*contents.values()], stamp)
    for site, uids in written.evses.items():
        await connection.execute(_ADD_EVSES, site, [*uids], stamp)
        await connection.execute(
            "delete from charge_evse where site = $1 and not evse_uid = any($2::text[])", site, [*uids]
        )
    for table, gone in (("charge_tariff", written.gone_tariffs), ("charge_site", written.gone_sites)):
        if gone:
            await connection.execute(_REMOVE.format(table), [*gone], stamp)
    await write_stations(connection, written.stations, now)


async def _seen(connection: Connection, stations: frozenset[str], evses: Mapping[str, KeptEvse]) -> Seen:
    rows = StationRows(connection)
    return Seen(
        connectors=await rows.connectors(stations),
        lost=stations - await rows.present(stations),
        blocked={uid: evse.blocked_by for uid, evse in evses.items()},
    )


def _kept(sites: Iterable[Record], tariffs: Iterable[Record]) -> Kept:
    by_id = [{row["id"]: KeptThing(**row) for row in rows} for rows in (sites, tariffs)]
    return Kept(sites=by_id[0], tariffs=by_id[1])


def _only(row: Record, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in names}


_THING_COLUMNS = (*KeptThing.__dataclass_fields__,)
_EVSE_COLUMNS = (*KeptEvse.__dataclass_fields__,)
_THING = f"select {', '.join(_THING_COLUMNS)} from {{}}"
_EVSE = f"select {', '.join(_EVSE_COLUMNS)} from charge_evse"
_MARK = (
    "select (select coalesce(string_agg(id || ' ' || version, ',' order by id), '') from charge_site) || '/' "
    "|| (select coalesce(string_agg(id || ' ' || version, ',' order by id), '') from charge_tariff) as mark"
)
_IS_DUE = "where version <> told_version order by updated_at, id"

# an EVSE's stamp may be later than that of its site: what follows is later than both
_AFTER = "greatest({}, s.updated_at + interval '1 ms', (select max(e.changed_at) from charge_evse e where e.site = s.id) + interval '1 ms')"

_PUT = (
    "insert into {0} as s (id, content, version, updated_at) "
    "select id, content, 1, $3::timestamptz from unnest($1::text[], $2::text[]) n(id, content) "
    "on conflict (id) do update set content = excluded.content, version = s.version + 1, is_gone = false, "
    f"updated_at = {_AFTER.format('excluded.updated_at')} where s.content <> excluded.content or s.is_gone"
)
_REMOVE = (
    "update {0} as s set is_gone = true, version = s.version + 1, "
    f"updated_at = {_AFTER.format('$2::timestamptz')} where id = any($1::text[]) and not is_gone"
)
_ADD_EVSES = (
    "insert into charge_evse (site, evse_uid, status, changed_at, version, told_version) "
    "select id, uid, 'UNKNOWN', greatest($3::timestamptz, updated_at), 1, 0 from unnest($2::text[]) n(uid), charge_site where id = $1 "
    "on conflict do nothing"
)
_SET_STATUS = (
    "update charge_evse c set status = n.status, version = c.version + 1, changed_at = date_trunc('milliseconds', "
    f"{_AFTER.format('$4::timestamptz')}) from unnest($2::text[], $3::text[]) n(uid, status), charge_site s "
    "where s.id = $1 and c.site = $1 and c.evse_uid = n.uid"
)
_DUE_SITES = (
    f"select {', '.join(f's.{name} as s_{name}' for name in _THING_COLUMNS)}, {', '.join(f'e.{name}' for name in _EVSE_COLUMNS)} "
    "from (select * from charge_site d where version <> told_version or exists (select 1 from charge_evse c where c.site = d.id "
    f"and c.version <> c.told_version and not d.is_gone) order by updated_at, id limit {DUE_MAX}) s "
    "left join charge_evse e on e.site = s.id order by s.updated_at, s.id, e.evse_uid"
)
_TOLD = "update {} set told_version = $2 where id = $1 and told_version < $2"
_TOLD_EVSES = (
    "update charge_evse e set told_version = n.version from unnest($2::text[], $3::int[]) n(uid, version) "
    "where e.site = $1 and e.evse_uid = n.uid and e.told_version < n.version"
)
_FORGET = "delete from {} where id = $1 and is_gone and version = $2 and told_version = $2"
_FORGET_EVSES = "delete from charge_evse where site = $1 and not exists (select 1 from charge_site where id = $1)"
