"""The benchmark of how long it takes until a status is seen keeps its word: every form shows it, and the slowest one is named."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from tests.benchmarks import map_latency
from tests.benchmarks.figures import Round
from tests.benchmarks.map_latency import Target, measured, place_of, probe, report_of
from tests.conftest import ADMIN_TOKEN, running_hub


async def test_each_form_shows_each_change(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_latency, "LOCATIONS", 5)
    quiet = {"navigation": True, "map_anonymous_per_second": 10_000, "pull_settle_seconds": 3600.0}
    async with running_hub(database_url, tmp_path, **quiet) as world:
        scene = await measured(Target(world.url, ADMIN_TOKEN, process_time), 2.0, 20)
    counts = {form: len(seconds) for form, seconds in scene.seconds.items()}
    assert [*counts] == ["GET", "stream", "tile", "DATEX II status", "open OCPI"]
    assert len(set(counts.values())) == 1
    assert scene.changes.requests > 20
    assert min(counts.values()) >= map_latency.PROBES


def test_the_slowest_form_is_named() -> None:
    report = report_of({"GET": [0.1] * 20, "tile": [0.1] * 18 + [3.0] * 2}, Round(4000, 20.0, 10.0, [0.01]))
    assert "tile" in report.rows[0].measured
    assert "3,000 ms" in report.rows[0].measured
    assert "200 changes a second" in report.rows[0].work


def test_what_is_looked_at_is_alone_in_its_tile() -> None:
    places = [place_of(probe(n)) for n in range(map_latency.PROBES)]
    assert min(abs(one[0] - other[0]) for one in places for other in places if one != other) >= 1
