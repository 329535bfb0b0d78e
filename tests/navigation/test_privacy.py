"""What is private leaves no trace in public (N-T8): not in any byte of any public address, and not by what changes.

The addresses come from the application itself, so that none is forgotten; what their parameters are called is looked up here.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import httpx
import pytest
from httpx_sse import aconnect_sse
from pmtiles.reader import MemorySource, Reader, all_tiles
from starlette.routing import BaseRoute, Mount

from hub.demo.party import DemoPlatform
from hub.navigation.routes.door import STREAM_PATH, is_public
from hub.store.direct import Direct
from ocpi_modules.parties import Party
from ocpi_modules.types import fold
from tests.databases import Databases
from tests.navigation.land import CPO, EMSP, LATER, Land, open_land, until
from tests.settlement.cases import location, tariff

MARK = "Zq7"
"""In every text of everything that is private."""
MARKED_DEGREES = ("52.567777", "13.457777")
"""Where everything private is; nothing public is there."""
MARKS = (MARK, MARK.lower(), *MARKED_DEGREES, "777000")
PRIVATE = 200
SUSPENDED = Party("DE", "SUS")
TOKEN = {"uid": f"{MARK}-TOKEN", "type": "RFID"}
WIDE, BERLIN = "4,44,24,63", "13,52,14,53"
LINE = "_ibqHwo`oA_seK_seK"  # from 50.00 13.30 on
STREAM_WAIT_SECONDS = 60.0

NAMES: Mapping[str, Sequence[str]] = {
    "country_code": ("DE",),
    "party_id": ("ABC", "SUS"),
    "location_id": ("LOC1", f"{MARK}-HIDDEN0", f"{MARK}-ONCE"),
    "tariff_id": ("T-AC", f"{MARK}-TARIFF"),
    "z": ("0", "5", "12", "12"),
    "x": ("0", "17", "2200", "2201"),
    "y": ("0", "10", "1343", "1342"),
    "path": ("map.js", "nothing.js"),
}
"""What stands in addresses, by the name of the part."""

QUESTIONS: Mapping[str, Sequence[str]] = {
    "/nav/v1/locations": (
        f"bbox={BERLIN}",
        f"bbox={WIDE}&limit=1000",
        "near=52.567777,13.457777&radius=100000",
        f"bbox={BERLIN}&operator={MARK}",
        f"bbox={BERLIN}&operator=DE/SUS",
        f"bbox={BERLIN}&connector=CHADEMO",
        "route=nothing",
        f"bbox={MARK}",
        f"route={LINE}&corridor=20000",
    ),
    "/nav/v1/changes": ("", "limit=1", "cursor=0"),
    "/nav/v1/price": (
        "location=DE/ABC/LOC1&evse=E1&kwh=10",
        f"location=DE/ABC/{MARK}-HIDDEN0&evse=E1&kwh=10",
        "location=2&evse=E1&kwh=10",
    ),
    "/ocm/v3/poi": (
        "",
        f"chargepointid={','.join(map(str, range(1, 400)))}",
        "latitude=52.5&longitude=13.4&distance=50",
        "connectiontypeid=2,25&statustypeid=0,10,20&usagetypeid=1,4,5&countrycode=DE&levelid=1,2,3",
    ),
    "/ocm/v3/poi/": ("maxresults=5000&compact=true",),
    "/open/ocpi/2.2.1/locations": ("", "limit=1000", "date_from=2020-01-01T00:00:00Z"),
    "/open/ocpi/2.2.1/tariffs": ("", "limit=1000"),
}
"""What is asked at addresses besides nothing at all."""

SNAPSHOT = ".pmtiles"

TIMES = re.compile(
    rb"20\d\d-\d\d-\d\dT[0-9:.]+(Z|\+00:00)?|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d [0-9:]{8} GMT|[0-9a-f-]{36}"
)
HEADS = ("etag", "link", "x-total-count", "content-type", "location", "retry-after")


# --- what is private --------------------------------------------------------------------------


def marked(location_id: str, **changes: Any) -> dict[str, Any]:
    """A Location with a mark in every text, in every id, and in where it is."""
    evse = {
        "uid": f"{MARK}-U",
        "evse_id": f"DE*ABC*E{MARK}",
        "status": "AVAILABLE",
        "floor_level": MARK,
        "physical_reference": MARK,
        "directions": [{"language": "de", "text": MARK}],
        "images": [picture()],
        "coordinates": point(),
        "connectors": [
            {
                "id": MARK,
                "standard": "CHADEMO",
                "format": "CABLE",
                "power_type": "DC",
                "max_voltage": 777,
                "max_amperage": 777,
                "max_electric_power": 777_000,
                "tariff_ids": [f"{MARK}-TARIFF"],
                "terms_and_conditions": f"https://{MARK}.example/terms",
                "last_updated": LATER,
            }
        ],
        "last_updated": LATER,
    }
    business = {"name": f"{MARK} Strom", "website": f"https://{MARK}.example", "logo": picture()}
    texts = dict.fromkeys(("name", "address", "city", "postal_code", "state"), MARK)
    return location(
        id=f"{MARK}-{location_id}",
        **{
            **texts,
            "coordinates": point(),
            "related_locations": [{**point(), "name": {"language": "de", "text": MARK}}],
            "directions": [{"language": "de", "text": MARK}],
            "operator": business,
            "suboperator": business,
            "owner": business,
            "images": [picture()],
            "energy_mix": {"is_green_energy": True, "supplier_name": MARK, "energy_product_name": MARK},
            "evses": [evse],
            "last_updated": LATER,
            **changes,
        },
    )


def picture() -> dict[str, str]:
    return {"url": f"https://{MARK}.example/p.png", "category": "OTHER", "type": "png"}


def point() -> dict[str, str]:
    return {"latitude": MARKED_DEGREES[0], "longitude": MARKED_DEGREES[1]}


@dataclass(frozen=True, slots=True)
class Secret:
    """A private Location, and to whom it is pushed (None: to everybody)."""

    content: dict[str, Any]
    receiver: Party | None = None


def secrets() -> Iterator[Secret]:
    """All ways in which a Location can be private."""
    silent = marked("")
    del silent["publish"]
    for n, kind in enumerate(islice(cycle(range(6)), PRIVATE)):
        name = f"HIDDEN{n}"
        if kind == 0:
            yield Secret(marked(name, publish=False))
        elif kind == 1:
            yield Secret(marked(name, publish=False, publish_allowed_to=[TOKEN]))
        elif kind == 2:
            yield Secret(marked(name, publish=True, publish_allowed_to=[TOKEN]))
        elif kind == 3:
            yield Secret({**silent, "id": f"{MARK}-{name}"})
        elif kind == 4:
            yield Secret(marked(name, publish="true"))
        else:
            yield Secret(marked(name), receiver=EMSP)


# --- what is public ---------------------------------------------------------------------------


def public_paths(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[str]:
    """Every public address that can be read, as the application has it."""
    for route in routes:
        inner = getattr(route, "effective_candidates", None)
        if inner is not None:
            yield from public_paths(inner(), prefix)
            continue
        path = prefix + (getattr(route, "path", "") or "")
        if isinstance(route, Mount):
            if is_public(f"{path}/"):
                yield f"{path}/{{path}}"
        elif is_public(path) and "GET" in (getattr(route, "methods", None) or {"GET"}):
            yield re.sub(r":[a-z]+}", "}", path)


def filled(path: str) -> Iterator[str]:
    """An address with every name in its place; a part that nobody knows here fails the test."""
    names = re.findall(r"{([a-z_]+)(?::[a-z]+)?}", path)
    unknown = [name for name in names if name not in NAMES]
    assert not unknown, f"say in NAMES what {unknown} of {path} can be: a new address has to be searched, too"
    most = max((len(NAMES[name]) for name in names), default=1)
    for turn in range(most):
        parts = {name: NAMES[name][turn % len(NAMES[name])] for name in names}
        yield re.sub("{([a-z_]+)(?::[a-z]+)?}", r"{\1}", path).format(**parts)


def addresses(land: Land) -> list[str]:
    """Everything that is asked."""
    found = []
    for path in dict.fromkeys(public_paths(land.world.app.routes)):
        for one in filled(path):
            asked = QUESTIONS.get(path, ())
            found += [one, *(f"{one}?{question}" for question in asked)]
    return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: its status, and all of its bytes, head and body."""

    status: int
    text: bytes

    def without_times(self, path: str) -> bytes:
        """It again, but for when it was made, and what repeats the question."""
        return TIMES.sub(b"", self.text).replace(path.encode(), b"")


async def everything(land: Land) -> dict[str, Answer]:
    """Every public byte."""
    return {path: await read(land.reader, path) for path in addresses(land)}


async def read(reader: httpx.AsyncClient, path: str) -> Answer:
    if path.partition("?")[0] == STREAM_PATH:
        return await overheard(reader, path)
    answer = await reader.get(path)
    if path.endswith(SNAPSHOT):
        return Answer(200, await unpacked(reader, path))
    head = "\n".join(f"{name}: {answer.headers[name]}" for name in HEADS if name in answer.headers)
    return Answer(answer.status_code, head.encode() + b"\n\n" + answer.content)


async def unpacked(reader: httpx.AsyncClient, path: str) -> bytes:
    """A file of tiles, which is written when it is asked for: its heads, and each tile of it."""
    answers: list[httpx.Response] = []

    async def is_written() -> bool:
        answers.append(await reader.get(path))
        return answers[-1].status_code == 200

    await until(is_written)
    source = MemorySource(answers[-1].content)
    return repr((Reader(source).header(), Reader(source).metadata())).encode() + b"".join(
        gzip.decompress(tile) for _, tile in all_tiles(source)
    )


async def overheard(reader: httpx.AsyncClient, path: str) -> Answer:
    """A stream, from the first change that is known on."""
    newest = (await reader.get("/nav/v1/changes?limit=1000")).json()["next"]
    said, last = b"", "0"
    async with (
        asyncio.timeout(STREAM_WAIT_SECONDS),
        aconnect_sse(reader, "GET", path, headers={"Last-Event-ID": "0"}) as source,
    ):
        async for event in source.aiter_sse():
            said += f"{event.id} {event.event} {event.data}\n".encode()
            last = event.id or last
            if int(last) >= int(newest):
                break
    return Answer(source.response.status_code, said)


# --- the tests --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hidden:
    """A land with secrets: what everybody could read before there were any, and the platform of a party that is suspended."""

    land: Land
    before: dict[str, Answer]
    other: DemoPlatform


@pytest.fixture(scope="module")
async def hidden(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hidden]:
    folder = tmp_path_factory.mktemp("hub")
    async with databases.lent() as url, open_land(url, folder, map_anonymous_per_second=10_000) as land:
        await land.be_lenient()
        price = tariff(type="AD_HOC_PAYMENT")
        assert (await land.cpo.push("tariffs", CPO, (price["id"],), price, receiver=None)).is_success
        await land.put(location(id="LOC2"))
        await land.until_found("DE/ABC/LOC1", "DE/ABC/LOC2", bbox=BERLIN)
        other = await land.world.join("Suspended", ("CPO", str(SUSPENDED)))
        await land.until_seen(f"/nav/v1/price?{QUESTIONS['/nav/v1/price'][0]}")
        await asyncio.sleep(1.5)  # tariffs are looked at once a second
        before = await everything(land)
        gate = asyncio.Semaphore(8)

        async def put(secret: Secret) -> None:
            async with gate:
                await land.put(secret.content, secret.receiver)

        await asyncio.gather(*map(put, secrets()))
        await all_is_done(land)
        yield Hidden(land, before, other)


async def all_is_done(land: Land) -> None:
    """Wait until nothing is due: a public Location that was pushed last is seen, and all that came before it."""
    content = location(id="SIGNAL", publish=False)
    await land.put(content)
    direct = Direct(land.world.database_url)

    async def is_done() -> bool:
        (row,) = await direct.fetch("select count(*) filter (where is_due) as due, count(*) as n from place")
        return bool(row["due"] == 0 and row["n"] > 2)

    await land.until(is_done)
    await asyncio.sleep(0.5)  # and the process that answers has followed
    await direct.close()


def test_every_public_address_is_searched(hidden: Hidden) -> None:
    found = set(public_paths(hidden.land.world.app.routes))
    assert {"/nav/v1/locations", STREAM_PATH, "/ocm/v3/poi", "/open/ocpi/2.2.1/locations"} <= found
    assert {"/open/datex2/v3.7/table", "/open/irve/dynamique.csv", "/nav/v1/price"} <= found
    schema = {path for path in hidden.land.world.app.openapi()["paths"] if is_public(path)}
    assert schema <= found
    good = {path.partition("?")[0] for path, answer in hidden.before.items() if answer.status == 200}
    assert len(good) >= len(found) - 1, "each address has to be asked so that it answers something"


def test_a_new_address_with_parts_that_nobody_knows_cannot_escape() -> None:
    with pytest.raises(AssertionError, match="secret_part"):
        [*filled("/nav/v1/new/{secret_part}")]


async def test_no_public_byte_tells_of_what_is_private(hidden: Hidden) -> None:
    now = await everything(hidden.land)
    for path, answer in now.items():
        told = answer.without_times(path)
        assert [mark for mark in MARKS if mark.encode() in told and mark not in path] == [], path
        assert told == hidden.before[path].without_times(path), path


async def test_nothing_changes_when_what_is_private_changes(hidden: Hidden) -> None:
    before = await everything(hidden.land)
    changed = [Secret(marked(f"HIDDEN{n}", publish=False, name=f"{MARK} {n}")) for n in range(0, 42, 6)]
    for secret in changed:
        await hidden.land.put(secret.content)
    await hidden.land.cpo.patch(
        "locations", CPO, (f"{MARK}-HIDDEN0", f"{MARK}-U"), {"status": "CHARGING", "last_updated": LATER}, receiver=None
    )
    await all_is_done(hidden.land)
    assert same(before, await everything(hidden.land)) == []


async def test_what_is_suspended_is_gone_but_for_its_name(hidden: Hidden) -> None:
    """And so is what was public and is private now, and what its owner left out: tombstones have to name what is gone."""
    land = hidden.land
    own = {"country_code": SUSPENDED.country_code, "party_id": SUSPENDED.party_id}
    heard = await hidden.other.push("locations", SUSPENDED, (f"{MARK}-SUS",), marked("SUS", **own), receiver=None)
    assert heard.is_success, heard
    await land.put(marked("ONCE"))
    await land.put(marked("STALE"))
    for path in (f"DE/SUS/{MARK}-SUS", f"DE/ABC/{MARK}-ONCE", f"DE/ABC/{MARK}-STALE"):
        await land.until_seen(f"/nav/v1/locations/{path}")
    assert MARK.encode() in (await read(land.reader, f"/nav/v1/locations?bbox={BERLIN}")).text
    answer = await land.world.admin.post("/admin/parties/DE/SUS/CPO/suspend")
    assert answer.status_code == 200, answer.text
    await land.put(marked("ONCE", publish=False))
    await left_out(land, f"{MARK}-STALE")
    await land.until_found("DE/ABC/LOC1", "DE/ABC/LOC2", bbox=BERLIN)
    await all_is_done(land)
    now = await everything(land)
    tombstone = re.compile(rf"DE/(ABC|SUS)/{MARK}-(ONCE|STALE|SUS)".encode())
    for path, answer_now in now.items():
        told = answer_now.without_times(path)
        if path.startswith(("/nav/v1/changes", STREAM_PATH)):
            told = tombstone.sub(b"", told)
        assert [mark for mark in MARKS if mark.encode() in told and mark not in path] == [], path
    assert same(hidden.before, now, is_counted=False) == []


async def left_out(land: Land, location_id: str) -> None:
    """Its owner's complete list does not hold it any more."""
    direct = Direct(land.world.database_url)
    await direct.execute("update copy set stale_at = now() where key = $1 and module = 'locations'", fold(location_id))
    await direct.execute("update place set stale_at = now(), is_due = true where key = $1", fold(location_id))
    await direct.close()


def same(before: Mapping[str, Answer], now: Mapping[str, Answer], *, is_counted: bool = True) -> list[str]:
    """The addresses that answer otherwise; without numbers of changes, where some are counted that everybody saw."""
    logs = () if is_counted else ("/nav/v1/changes", STREAM_PATH)
    return [
        path
        for path, answer in now.items()
        if not (logs and path.startswith(logs))
        and _bare(answer, path, is_counted) != _bare(before[path], path, is_counted)
    ]


def _bare(answer: Answer, path: str, is_counted: bool) -> bytes:
    told = answer.without_times(path)
    if is_counted:
        return told
    version = rb'"\d+(\.[0-9a-f]+)?"'
    counted = rb"etag: .*|version\w*=" + version + rb'|"versionG": ?' + version + rb'|"(next|seq)": ?"?\d+"?'
    return re.sub(counted, b"", told)
