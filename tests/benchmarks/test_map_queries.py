"""The benchmark of the map over HTTP keeps its word: its Locations are there, every kind is answered, and both count the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import process_time
from urllib.parse import urlsplit

import psycopg
import pytest

from hub.store.embedded import attach_or_start
from tests.benchmarks import map_queries
from tests.benchmarks.figures import Row
from tests.benchmarks.load import Run
from tests.benchmarks.map_queries import Kind, Queries, Query, Told, await_map, kinds, measured, require_along, row
from tests.benchmarks.map_stock import furnish
from tests.benchmarks.navigation import ZOOMS
from tests.benchmarks.stage import plain_url
from tests.conftest import running_hub

SOME = 400


async def test_every_kind_is_answered_as_the_table_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_queries, "HITS", 5)
    monkeypatch.setattr(map_queries, "CORRIDOR_METRES", 20_000.0)
    spots = await asyncio.to_thread(furnish, tmp_path, SOME)
    with attach_or_start(tmp_path) as running, psycopg.connect(plain_url(running.server.url), autocommit=True) as table:
        quiet = {"navigation": True, "map_anonymous_per_second": 10_000}
        async with running_hub(running.server.url, tmp_path / "hub", **quiet) as world:
            rows = await asyncio.to_thread(_asked, world.url, table, spots)
    assert len(rows) == 3 + 2 * len(ZOOMS) + 2
    assert [one.naive != "–" for one in rows[:2]] == [True, True]
    assert "found" in rows[0].measured


def _asked(url: str, table: psycopg.Connection[object], spots: object) -> list[Row]:
    await_map(url)
    port = urlsplit(url).port
    assert port is not None
    asked = [Kind(kind.name, kind.queries[:3], kind.limit_ms, kind.is_counted) for kind in kinds(spots)]
    assert require_along(url, table, asked[1].queries[0]) >= 1
    return [row(kind, measured(port, process_time, kind, table), SOME) for kind in asked]


def test_a_hub_that_counts_otherwise_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    query = Query("/nav/v1/locations", naive=lambda table: Told(0.1, 7))

    def driven(port: int, feeds: list[Queries], seconds: float) -> Run:
        feeds[0].answered(b"HTTP/1.1 200 OK", b'{"total":8}')
        return Run(seconds=1.0, latencies=[0.1])

    monkeypatch.setattr(map_queries, "drive", driven)
    with pytest.raises(RuntimeError, match="the hub counts 8, the table 7"):
        measured(1, process_time, Kind("box", [query], is_counted=True), None)  # type: ignore[arg-type]  # nothing reads it
