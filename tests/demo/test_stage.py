"""What the demo is put together from: ports, files, the control interface, the picture."""

from __future__ import annotations

import io
import stat
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from hub.demo.charge import Charge, kw_of, spots_of
from hub.demo.connection import Connection
from hub.demo.control import control_route
from hub.demo.party import DemoPlatform, role
from hub.demo.ports import BLOCK_STEP_PORTS, take_ports
from hub.demo.registration import Registration, read_registration, write_registration
from hub.demo.remote import DoesNotAnswer, PlatformFailed, Push, Remote
from hub.demo.server import listen
from hub.demo.view import Platform, Scene, line, picture
from hub.demo.world import read_drivers, read_objects
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from ocpi_modules.types import parse_datetime

CP1, MS1 = Party("DE", "CP1"), Party("NL", "MS1")
PORT = 42000
TERMINAL_WIDTH_CHARACTERS = 80

Example = Callable[..., dict[str, Any]]


def test_two_demos_take_different_ports() -> None:
    first = take_ports(PORT, [1, 2], is_known=False)
    second = take_ports(PORT, [1, 2], is_known=False)
    try:
        assert first.hub < second.hub
        assert {first.platform(1), first.platform(2)}.isdisjoint({second.platform(1), second.platform(2)})
    finally:
        first.give_back()
        second.give_back()


def test_one_taken_port_moves_the_whole_block() -> None:
    block = take_ports(PORT, [1, 2], is_known=False)
    block.give_back()
    with listen(block.platform(2)):
        other = take_ports(block.hub, [1, 2], is_known=False)
        other.give_back()
    assert other.hub >= block.hub + BLOCK_STEP_PORTS


def test_a_registration_is_kept_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    known = Connection("http://h/versions", "c", "b", {("cdrs", Interface.SENDER): "http://h/cdrs"}, (MS1,))
    kept = Registration("P1", (role("CPO", "DE/CP1"),), 8101, "secret", known)
    path = tmp_path / "platforms" / "p1.json"
    for version in (kept.connected(None), kept):
        write_registration(path, version)
        assert read_registration(path) == version
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["p1.json"]


class TestControl:
    @pytest.fixture
    async def emsp(self) -> AsyncIterator[DemoPlatform]:
        async with DemoPlatform("P3", [role("EMSP", "NL/MS1")]).running() as platform:
            yield platform

    @pytest.fixture
    async def cpo(self, emsp: DemoPlatform) -> AsyncIterator[Remote]:
        """A CPO that can only be reached by its control interface, joined to the eMSP."""
        platform = DemoPlatform("P1", [role("CPO", "DE/CP1")])
        async with platform.running(control_route(platform, "secret")):
            port = int(platform.base_url.rpartition(":")[2])
            remote = Remote("P1", (CP1,), port, "secret")
            await remote.act("join", token=emsp.invite(), versions_url=emsp.versions_url)
            yield remote
            await remote.close()

    async def test_numbers_keep_their_digits_all_the_way(
        self, cpo: Remote, emsp: DemoPlatform, example: Example
    ) -> None:
        """Y-07."""
        session = example("session", country_code="DE", party_id="CP1", id="S1", kwh=Decimal("4.10"))
        said = await cpo.push(Push("sessions", CP1, ("S1",), session, MS1))
        assert (said.http_status, said.status_code) == (201, 1000)
        assert str(next(iter(emsp.desk.kept["sessions"]))["kwh"]) == "4.10"

    async def test_it_tells_what_was_seen_since(self, cpo: Remote, emsp: DemoPlatform) -> None:
        mark = await cpo.seen_count()
        assert await cpo.seen(mark) == []
        with pytest.raises(PlatformFailed, match="401"):
            await cpo.act("join", token="wrong", versions_url=emsp.versions_url)
        assert [seen["path"] for seen in await cpo.seen(0)] == ["/versions", "/2.2.1"]

    @pytest.mark.parametrize(
        ("token", "action", "status"),
        [
            pytest.param("Bearer secret", "kept", 200, id="who knows the token may ask"),
            pytest.param("Bearer other", "kept", 401, id="others may not"),
            pytest.param("Bearer secret", "explode", 404, id="there are only so many actions"),
        ],
    )
    async def test_it_is_closed_to_others(self, cpo: Remote, token: str, action: str, status: int) -> None:
        async with httpx.AsyncClient(base_url=cpo.base_url, trust_env=False) as client:
            url = f"/control/{action}"
            answer = await client.post(url, content=b"{}", headers={"Authorization": token})
        assert answer.status_code == status

    async def test_a_platform_that_is_gone_is_named(self) -> None:
        with listen(0) as sock:
            port = sock.getsockname()[1]
        remote = Remote("P7", (CP1,), port, "secret")
        assert await remote.answers() is False
        with pytest.raises(DoesNotAnswer, match="P7"):
            await remote.kept()
        await remote.close()


def test_the_picture_fits_on_a_small_terminal() -> None:
    scene = Scene("http://127.0.0.1:8000", "/some/where")
    scene.platforms["Voltstroom"] = Platform(
        "Voltstroom", "DE/VST AT/VSA", "http://127.0.0.1:8101", {"tokens": 68}, 12345
    )
    vst, driver = Party("DE", "VST"), read_drivers()[0]
    spot = next(spots_of(vst, read_objects(vst, "locations"), read_objects(vst, "tariffs")))
    start = parse_datetime("2026-11-20T10:00:00Z")
    charge = Charge("1", driver, {}, spot, "WHITELIST", None, start, 60, kw_of(spot, driver))
    scene.charges["1"] = charge, 30
    scene.tell("12:00:00", f"{driver.name} plugs in at {spot.name}")
    console = Console(width=TERMINAL_WIDTH_CHARACTERS, record=True, file=io.StringIO())
    console.print(picture(scene))
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= TERMINAL_WIDTH_CHARACTERS
    for text in ("8101", "12345", driver.name, "30/60", "http://127.0.0.1:8000/docs"):
        assert text in shown
    assert line(scene).startswith("1 charging, 0 sessions")
