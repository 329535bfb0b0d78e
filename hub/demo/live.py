"""The live demo: EVSEs change their status, drivers charge, sessions grow by the second and end in CDRs, until Ctrl-C."""

from __future__ import annotations

import asyncio
import random
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from rich.console import Console
from rich.live import Live as Display

from hub.demo import local
from hub.demo.charge import MINUTES_STEP, Charge, Spot, kw_of, minutes_for, on_grid, spots_of
from hub.demo.local import LOCAL, LocalChargers
from hub.demo.remote import PlatformFailed, Push, Remote, Said
from hub.demo.shelf import Object
from hub.demo.stage import HUB, Stage
from hub.demo.view import Platform, Scene, addresses, is_terminal, line, picture
from hub.demo.world import Driver, read_drivers, read_objects
from ocpi_modules.parties import Party

SECONDS_PER_MINUTE = 1.0
PAUSE_MIN_SECONDS, PAUSE_MAX_SECONDS = 1.0, 15.0
STATUS_PAUSE_SECONDS = 2.0
LOOK_SECONDS = 1.0
LOCAL_MIN_SECONDS, LOCAL_MAX_SECONDS = 30.0, 90.0
LINE_SECONDS = 5.0
SHARES = tuple(Decimal(share) / 100 for share in (20, 30, 45, 60))

_STATUSES = {"AVAILABLE": ("CHARGING", "CHARGING", "BLOCKED"), "CHARGING": ("AVAILABLE",), "BLOCKED": ("AVAILABLE",)}


class Live:
    """Plays until it is cancelled."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self._stage = stage
        self._console = console
        self._random = random.Random()
        self._spots = [spot for party in stage.parties("CPO") for spot in _spots(party)]
        self._status = {spot.key: str(spot.evse["status"]) for spot in self._spots}
        self._taken: set[tuple[str, str]] = set()
        self._scene = Scene(stage.hub.url, str(stage.data_dir))
        for name, remote in stage.platforms.items():
            parties = " ".join(map(str, remote.parties))
            self._scene.platforms[name] = Platform(name, parties, remote.base_url)

    async def play(self) -> None:
        """Raises ChildFailed when a process of the demo ends."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._show())
            group.create_task(self._watch())
            await self._tidy()
            group.create_task(self._strangers())
            group.create_task(self._local())
            for driver in read_drivers():
                group.create_task(self._drive(driver))

    # --- as things stand --------------------------------------------------------------------------

    async def _tidy(self) -> None:
        """After a restart: read what the hub has, as anybody who was away does, and end what the last run left open."""
        for cast in self._stage.casts:
            await self._stage.platforms[cast.name].act("catch_up", hub=str(HUB))
        reader = self._stage.platform_of(self._stage.parties("NSP")[0])
        stood = {
            (f"{entry['country_code']}/{entry['party_id']}", evse["uid"]): evse["status"]
            for entry in (await reader.get_all("locations", HUB))["objects"]
            for evse in entry["evses"]
        }
        for spot in self._spots:
            if stood.get(spot.key) not in (None, self._status[spot.key]):
                await self._set_status(spot, self._status[spot.key])
        for party in self._stage.parties("EMSP"):
            await self._end_sessions(party)

    async def _end_sessions(self, party: Party) -> None:
        found = await self._stage.platform_of(party).get_all("sessions", HUB)
        for session in found["objects"]:
            owner, now = Party.of(session["country_code"], session["party_id"]), self._stage.now()
            if session["status"] == "ACTIVE" and owner != LOCAL:  # those are their stations' to end
                change = {"status": "COMPLETED", "end_date_time": now, "last_updated": now}
                await self._said(await self._cpo(owner).patch(Push("sessions", owner, (session["id"],), change, party)))

    # --- people -----------------------------------------------------------------------------------

    async def _drive(self, driver: Driver) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(PAUSE_MIN_SECONDS, PAUSE_MAX_SECONDS))
            try:
                await self._charge(driver)
            except PlatformFailed as exc:
                self._tell(f"{driver.name}: {exc}")

    async def _charge(self, driver: Driver) -> None:
        spot = self._free_spot()
        if spot is None:
            return
        self._taken.add(spot.key)
        try:
            charge = await self._let_in(driver, spot)
            if charge is not None:
                await self._carry_out(charge)
        finally:
            self._taken.discard(spot.key)

    async def _let_in(self, driver: Driver, spot: Spot) -> Charge | None:
        """By the CPO's own whitelist where the token allows it, else by asking the eMSP through the hub."""
        token = await self._cpo(spot.owner).kept_object("tokens", driver.token_uid)
        if token is None:
            self._tell(f"{driver.name} is not known at {spot.name}")
            return None
        if token["whitelist"] in ("ALWAYS", "ALLOWED"):
            return self._plan(driver, spot, token, ("WHITELIST", None))
        said = await self._cpo(spot.owner).authorize(spot.owner, driver.token_uid, driver.token_type, None)
        if not said.is_success or said.data["allowed"] != "ALLOWED":
            self._tell(f"{driver.name} may not charge at {spot.name}: {said}")
            return None
        reference = said.data.get("authorization_reference")
        return self._plan(driver, spot, token, ("AUTH_REQUEST", reference))

    def _plan(self, driver: Driver, spot: Spot, token: Object, let_in: tuple[str, str | None]) -> Charge:
        kw = kw_of(spot, driver)
        minutes = minutes_for(self._random.choice(SHARES), driver.battery_kwh, kw)
        ahead = self._stage.script.clock_offset_seconds + minutes * SECONDS_PER_MINUTE - minutes * 60
        start = on_grid(datetime.now(UTC) + timedelta(seconds=ahead))
        return Charge(f"live-{uuid.uuid4().hex[:20]}", driver, token, spot, *let_in, start, minutes, kw)

    async def _carry_out(self, charge: Charge) -> None:
        self._tell(f"{charge.driver.name} plugs in at {charge.spot.name} ({charge.auth_method})")
        await self._set_status(charge.spot, "CHARGING")
        if not await self._session("PUT", charge, charge.session(self._stage.now())):
            return
        self._scene.sessions += 1
        for minute in range(0, charge.minutes, MINUTES_STEP):
            self._scene.charges[charge.id] = charge, minute
            await asyncio.sleep(MINUTES_STEP * SECONDS_PER_MINUTE)
            await self._session("PATCH", charge, charge.progress(minute + MINUTES_STEP, self._stage.now()))
        del self._scene.charges[charge.id]
        await self._session("PATCH", charge, charge.ending(self._stage.now()))
        await self._set_status(charge.spot, "AVAILABLE")
        await self._bill(charge)

    async def _session(self, method: str, charge: Charge, content: Object) -> bool:
        cpo = self._cpo(charge.spot.owner)
        push = Push("sessions", charge.spot.owner, (charge.id,), content, charge.driver.party)
        return await self._said(await cpo.put_or_patch(method, push))

    async def _bill(self, charge: Charge) -> None:
        cdr = charge.cdr(self._stage.now())
        if await self._said(await self._cpo(charge.spot.owner).post_cdr(cdr, HUB)):
            amount = cdr["total_cost"]["excl_vat"]
            self._scene.cdrs += 1
            self._scene.billed += amount
            self._tell(f"{charge.driver.party} pays {charge.spot.owner} {amount:.2f} EUR for {cdr['total_energy']} kWh")

    async def _strangers(self) -> None:
        """People whose eMSP is not here; only the status of the EVSE tells of them."""
        while True:
            await asyncio.sleep(STATUS_PAUSE_SECONDS)
            spot = self._random.choice(self._spots)
            if spot.key not in self._taken:
                try:
                    await self._set_status(spot, self._random.choice(_STATUSES[self._status[spot.key]]))
                except PlatformFailed as exc:
                    self._tell(f"{spot.name}: {exc}")

    async def _local(self) -> None:
        """Charge points of the hub's own: a driver starts one from afar, and ends it so."""
        async with LocalChargers.open(self._stage) as chargers:
            self._tell(f"{len(chargers.stations)} charge points of {LOCAL} are connected over OCPP")
            while True:
                await asyncio.sleep(self._random.uniform(PAUSE_MIN_SECONDS, PAUSE_MAX_SECONDS))
                driver, spot = self._random.choice(read_drivers()), self._random.choice(chargers.spots)
                try:
                    await self._charge_locally(driver, spot)
                except PlatformFailed as exc:
                    self._tell(f"{driver.name}: {exc}")

    async def _charge_locally(self, driver: Driver, spot: tuple[Object, Object]) -> None:
        emsp = self._stage.platform_of(driver.party)
        token = next(token for token in read_objects(driver.party, "tokens") if token["uid"] == driver.token_uid)
        known = await local.sessions(emsp)
        if not await self._said(await local.start(emsp, driver.party, token, spot)):
            return
        session = await local.new_session(emsp, token, known)
        if session is None:
            self._tell(f"{driver.name} could not start {spot[1]['evse_id']}")
            return
        self._scene.sessions += 1
        self._tell(f"{driver.name} has started {spot[1]['evse_id']} of {LOCAL} from afar")
        await asyncio.sleep(self._random.uniform(LOCAL_MIN_SECONDS, LOCAL_MAX_SECONDS))
        if await self._said(await local.stop(emsp, driver.party, session["id"])):
            self._bill_locally(driver, await local.cdr_of(emsp, session["id"]))

    def _bill_locally(self, driver: Driver, cdr: Object | None) -> None:
        if cdr is None:
            self._tell(f"no CDR of {LOCAL} has come to {driver.party}")
            return
        amount = cdr["total_cost"]["excl_vat"]
        self._scene.cdrs += 1
        self._scene.billed += amount
        self._tell(f"{driver.party} pays {LOCAL} {amount:.2f} EUR for {cdr['total_energy']} kWh")

    async def _set_status(self, spot: Spot, status: str) -> None:
        change = {"status": status, "last_updated": self._stage.now()}
        push = Push("locations", spot.owner, spot.ids, change, HUB)
        if await self._said(await self._cpo(spot.owner).patch(push)):
            self._status[spot.key] = status
            self._scene.statuses += 1

    def _free_spot(self) -> Spot | None:
        free = [spot for spot in self._spots if spot.key not in self._taken and self._status[spot.key] == "AVAILABLE"]
        return self._random.choice(free) if free else None

    def _cpo(self, owner: Party) -> Remote:
        return self._stage.platform_of(owner)

    async def _said(self, said: Said) -> bool:
        if not said.is_success:
            self._scene.refused += 1
            self._tell(f"refused: {said}")
        return said.is_success

    # --- the picture ------------------------------------------------------------------------------

    def _tell(self, sentence: str) -> None:
        self._scene.tell(f"{datetime.now().astimezone():%H:%M:%S}", sentence)

    async def _watch(self) -> None:
        while True:
            self._stage.require_alive()
            for name, remote in self._stage.platforms.items():
                shown = self._scene.platforms[name]
                shown.kept, shown.requests = await remote.kept(), await remote.seen_count()
            await asyncio.sleep(LOOK_SECONDS)

    async def _show(self) -> None:
        if not is_terminal(self._console):
            await self._show_lines()
        with Display(console=self._console, auto_refresh=False, vertical_overflow="crop") as display:
            while True:
                display.update(picture(self._scene), refresh=True)
                await asyncio.sleep(LOOK_SECONDS)

    async def _show_lines(self) -> None:
        self._console.print(addresses(self._scene), soft_wrap=True)
        while True:
            await asyncio.sleep(LINE_SECONDS)
            self._console.print(line(self._scene), soft_wrap=True, markup=False)


def _spots(party: Party) -> list[Spot]:
    return list(spots_of(party, read_objects(party, "locations"), read_objects(party, "tariffs")))
