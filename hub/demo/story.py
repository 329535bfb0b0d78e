"""The whole story once, checked at every other side: what `demo --once` plays.

Each chapter does something as one platform and looks at what the others saw. Nothing is believed that was not seen.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape

from hub.demo import local
from hub.demo.children import run_to_end
from hub.demo.local import LOCAL, LocalChargers
from hub.demo.prices import costs
from hub.demo.remote import Push, Remote
from hub.demo.seed import everything, seed
from hub.demo.shelf import Object
from hub.demo.stage import HUB, Stage
from hub.demo.station import Station
from hub.demo.world import MONTH, read_expected, read_objects
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json

VST, BRN = Party("DE", "VST"), Party("FR", "BRN")
GRP, LDK, WGW = Party("NL", "GRP"), Party("DE", "LDK"), Party("DE", "WGW")
READERS = (GRP, LDK, WGW)
PAGE_OBJECTS = 20
DELIVERY_WAIT_SECONDS = 20.0
DELIVERY_POLL_SECONDS = 0.1
LOCAL_CHARGE_SECONDS = 5.0
CENT = Decimal("0.01")

Chapter = Callable[[], Awaitable[None]]


class Teller:
    """Says what was seen, and remembers whether all of it was right."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.checks = 0
        self.failures = 0

    def chapter(self, title: str) -> None:
        """Begin another one."""
        self._console.print(f"\n[bold]{escape(title)}[/bold]")

    def check(self, held: bool, sentence: str, seen: object = None) -> None:
        """One thing that has to be so; `seen` is shown when it is not."""
        self.checks += 1
        self.failures += not held
        mark = "[green]✓[/green]" if held else "[red]✗[/red]"
        instead = "" if held or seen is None else f" (seen: {str(seen)[:200]})"
        self._console.print(f"  {mark} {escape(sentence + instead)}", soft_wrap=True)


class Story:
    """The chapters, in the order in which they are told."""

    def __init__(self, stage: Stage, teller: Teller) -> None:
        self._stage = stage
        self._teller = teller
        self._location = read_objects(VST, "locations")[0]
        self._tokens = read_objects(LDK, "tokens")

    async def tell(self) -> bool:
        """Play all chapters; whether everything held."""
        chapters: tuple[tuple[str, Chapter], ...] = (
            ("Five platforms joined, each with one invitation", self.joined),
            ("A CPO publishes a location: the hub tells everybody who reads locations", self.location),
            ("A tariff takes the same way", self.tariff),
            ("An eMSP publishes a token: every CPO gets it", self.token),
            ("An EVSE is taken: a few bytes travel", self.status),
            ("A driver asks to charge", self.authorize),
            ("A session goes to the eMSP of its driver and to nobody else", self.session),
            ("So does its CDR", self.cdr),
            ("What is said to one is not shown to others", self.private),
            ("The rest of the world is told, and read back page by page", self.pages),
            ("October 2026 is added up", self.month),
            ("Two charge points are joined to the hub itself and started from afar", self.local),
        )
        for title, play in chapters:
            self._teller.chapter(title)
            await play()
            self._stage.require_alive()
        return self._teller.failures == 0

    async def joined(self) -> None:
        """Everybody is connected, says the hub."""
        parties = {str(party) for cast in self._stage.casts for party in cast.parties}
        infos: list[Object] = await self._of(LDK).act("client_infos")
        connected = {_owner(info) for info in infos if info["status"] == "CONNECTED"}
        missing = parties - {str(LDK)} - connected
        self._check(not missing, f"LadeKarte reads from the hub that {len(connected)} parties are connected", missing)

    async def location(self) -> None:
        """B-01 to B-04."""
        push = Push("locations", VST, (self._location["id"],), self._location, HUB)
        await self._broadcast(push, READERS, but_not=BRN)

    async def tariff(self) -> None:
        """The same for tariffs."""
        tariff = read_objects(VST, "tariffs")[0]
        await self._broadcast(Push("tariffs", VST, (tariff["id"],), tariff, HUB), READERS, but_not=BRN)

    async def token(self) -> None:
        """Tokens go the other way; a platform with two CPOs gets two."""
        cpos = tuple(self._stage.parties("CPO"))
        for token in (self._with("ALLOWED"), self._with("NEVER")):
            await self._broadcast(Push("tokens", LDK, (token["uid"],), token, HUB), cpos, but_not=GRP)

    async def status(self) -> None:
        """A PATCH is passed on as a PATCH."""
        evse = self._location["evses"][0]
        change = {"status": "CHARGING", "last_updated": self._stage.now()}
        push = Push("locations", VST, (self._location["id"], evse["uid"]), change, HUB)
        await self._broadcast(push, READERS, but_not=BRN, method="PATCH")
        kept = await self._of(WGW).kept_object("locations", self._location["id"])
        shown = kept and kept["evses"][0]["status"]
        self._check(shown == "CHARGING", "Wegweiser shows the EVSE as CHARGING", shown)

    async def authorize(self) -> None:
        """By the CPO's own copy, or in real time by the eMSP."""
        listed = self._with("ALLOWED")
        copy = await self._of(VST).kept_object("tokens", listed["uid"])
        held = copy is not None and copy["valid"] and copy["whitelist"] == "ALLOWED"
        self._check(held, f"card {listed['uid']} is on Voltstroom's whitelist: no question needed", copy)
        await self._ask(self._with("NEVER"), None, "ALLOWED")
        await self._ask(self._invalid(), LDK, "BLOCKED")

    async def session(self) -> None:
        """PUT, then PATCH, straight to one eMSP."""
        session = self._session()
        others = await self._marks(GRP, WGW, BRN)
        mark = await self._of(LDK).seen_count()
        said = await self._of(VST).push(Push("sessions", VST, (session["id"],), session, LDK))
        self._check(said.is_success, "the hub answers the PUT with LadeKarte's own answer", said)
        await self._arrived(LDK, mark, "PUT", session["id"], VST)
        change = {"kwh": Decimal("4.125"), "last_updated": self._stage.now()}
        said = await self._of(VST).patch(Push("sessions", VST, (session["id"],), change, LDK))
        self._check(said.is_success, "and the PATCH", said)
        kept = await self._of(LDK).kept_object("sessions", session["id"])
        self._check(kept is not None and kept["kwh"] == change["kwh"], "LadeKarte's driver sees 4.125 kWh", kept)
        await self._nothing_arrived(others, "sessions")

    async def cdr(self) -> None:
        """POST to the hub; the hub finds the payer."""
        cdr = next(cdr for cdr in read_objects(VST, "cdrs") if _owner(cdr["cdr_token"]) == str(LDK))
        others = await self._marks(GRP, WGW, BRN)
        mark = await self._of(LDK).seen_count()
        said = await self._of(VST).post_cdr(cdr, HUB)
        self._check(said.is_success, f"the hub takes CDR {cdr['id']}", said)
        arrived = await self._of(LDK).wait_until_seen(mark, lambda seen: _is(seen, "POST", "cdrs"))
        held = arrived is not None and arrived["content"] == cdr
        self._check(held, "LadeKarte has it, number by number as it was sent", arrived)
        read = await self._of(VST).get(said.headers.get("location", ""), VST, HUB)
        self._check(read.data == cdr, "it can be read where the Location header says", read)
        await self._nothing_arrived(others, "cdrs")

    async def private(self) -> None:
        """G-03."""
        location = {**self._location, "id": "only-for-groene-pas", "last_updated": self._stage.now()}
        said = await self._of(VST).push(Push("locations", VST, (location["id"],), location, GRP))
        self._check(said.is_success, "Voltstroom shows a depot to Groene Pas only", said)
        for party, may_see in ((GRP, True), (LDK, False), (WGW, False)):
            found = await self._of(party).get_all("locations", HUB)
            sees = location["id"] in [entry["id"] for entry in found["objects"]]
            verb = "finds" if may_see else "does not find"
            self._check(
                sees is may_see, f"{self._of(party).name} {verb} it in the list of all locations", found["total"]
            )

    async def pages(self) -> None:
        """GET All after everything was told; the push of an object that is known already changes nothing."""
        tellings = everything(self._stage, ("locations", "tariffs", "tokens", "cdrs"))
        await seed(tellings, lambda _: None)
        self._check(True, f"{len(tellings)} objects told, every answer a success")
        told = {(str(t.party), t.content["id"]) for t in tellings if t.module_id == "locations"}
        found = await self._of(WGW).get_all("locations", HUB, f"limit={PAGE_OBJECTS}")
        names = [(_owner(entry), entry["id"]) for entry in found["objects"]]
        held = len(names) == len(set(names)) == found["total"] and set(names) == told
        sentence = f"Wegweiser reads {len(names)} locations of {len({owner for owner, _ in names})} CPOs on {found['pages']} pages"
        self._check(held and found["pages"] == -(-len(told) // PAGE_OBJECTS), f"{sentence}, each once", found["total"])
        await self._cdrs_delivered([t.content for t in tellings if t.module_id == "cdrs"])

    async def month(self) -> None:
        """The statement, as the operator would ask for it."""
        statement = decode_json(await self._statement())
        expected = read_expected()
        rows = {(row["creditor"], row["debtor"], row["currency"]): row for row in statement["rows"]}
        for wanted in expected:
            row = rows.get((wanted["creditor"], wanted["debtor"], wanted["currency"]))
            sentence = f"{wanted['debtor']} owes {wanted['creditor']} {wanted['total_excl_vat']} {wanted['currency']}"
            self._check(_agrees(row, wanted), f"{sentence} for {wanted['cdrs']} CDRs", row)
        self._check(len(rows) == len(expected), "and nobody owes anything else", len(rows))
        net = sum((entry["excl_vat"] for entry in statement["net"]), Decimal(0))
        self._check(net == 0, "the net positions of all parties add up to zero", net)

    async def local(self) -> None:
        """C-T1, over OCPP 1.6 and 2.0.1."""
        async with LocalChargers.open(self._stage) as chargers:
            shown = await self._shown_as(chargers.spots[0][0]["id"], "AVAILABLE")
            self._check(shown, f"Wegweiser shows their site as one of {LOCAL}, both EVSEs AVAILABLE")
            for spot in chargers.spots:
                await self._charged(spot, chargers.station_of(spot[1]))
        statement = decode_json(await self._statement(self._stage.now()[:7]))
        row = next(
            (row for row in statement["rows"] if (row["creditor"], row["debtor"]) == (str(LOCAL), str(LDK))), None
        )
        held = row is not None and row["cdrs"] == len(chargers.spots)
        self._check(held, f"the statement of this month says what LadeKarte owes {LOCAL}", row)

    async def _charged(self, spot: tuple[Object, Object], station: Station) -> None:
        emsp, token, plug = self._of(LDK), self._with("ALLOWED"), station.plugs[1]
        known = await local.sessions(emsp)
        said = await local.start(emsp, LDK, token, spot)
        self._check(
            said.is_success and said.data["result"] == "ACCEPTED", f"LadeKarte starts {spot[1]['evse_id']}", said
        )
        session = await local.new_session(emsp, token, known)
        self._check(session is not None, f"{station.subprotocol}: LadeKarte has the session", session)
        before = plug.transaction.start_wh if plug.transaction else plug.energy_wh
        await asyncio.sleep(LOCAL_CHARGE_SECONDS)
        said = await local.stop(emsp, LDK, session["id"] if session else "")
        self._check(said.is_success and said.data["result"] == "ACCEPTED", "and ends it", said)
        cdr = await local.cdr_of(emsp, session["id"] if session else "")
        kwh = Decimal(int(plug.energy_wh) - int(before)) / 1000
        self._check(cdr is not None and cdr["total_energy"] == kwh > 0, f"its CDR has the meter's {kwh} kWh", cdr)
        priced = costs(cdr, spot[0]["time_zone"])["total_cost"] if cdr is not None else {}
        stated = {side: amount.quantize(CENT, ROUND_HALF_UP) for side, amount in priced.items()}
        held = cdr is not None and cdr["total_cost"] == stated
        self._check(held, "and what they cost by its tariff, in whole cents", (stated, cdr and cdr["total_cost"]))

    async def _shown_as(self, location_id: str, status: str) -> bool:
        """Whether Wegweiser comes to show all EVSEs of a Location so."""
        for _ in range(int(DELIVERY_WAIT_SECONDS / DELIVERY_POLL_SECONDS)):
            kept = await self._of(WGW).kept_object("locations", location_id)
            if kept is not None and all(evse["status"] == status for evse in kept["evses"]):
                return True
            await asyncio.sleep(DELIVERY_POLL_SECONDS)
        return False

    # --- what the chapters have in common -----------------------------------------------------------

    async def _broadcast(
        self, push: Push, receivers: tuple[Party, ...], *, but_not: Party, method: str = "PUT"
    ) -> None:
        others = await self._marks(but_not)
        marks = await self._marks(*receivers)
        sender = self._of(push.owner)
        said = await (sender.patch(push) if method == "PATCH" else sender.push(push))
        self._check(said.is_success, f"the hub takes the {method} of {push.owner}/{'/'.join(push.ids)}", said)
        for party, mark in marks.items():
            seen = await self._arrived(party, mark, method, push.ids[-1], HUB)
            self._check(seen == push.content, f"{self._of(party).name} got exactly what was sent", seen)
        await self._nothing_arrived(others, push.module_id)

    async def _arrived(self, party: Party, mark: int, method: str, id_: str, sender: Party) -> Any:
        def fits(seen: Object) -> bool:
            return bool(
                seen["method"] == method and seen["path"].endswith(f"/{id_}") and seen["receiver"] == str(party)
            )

        seen = await self._of(party).wait_until_seen(mark, fits)
        held = seen is not None and seen["sender"] == str(sender)
        self._check(held, f"{self._of(party).name} saw {method} …/{id_}, from {sender} to {party}", seen)
        return seen and seen["content"]

    async def _marks(self, *parties: Party) -> dict[Party, int]:
        return {party: await self._of(party).seen_count() for party in parties}

    async def _nothing_arrived(self, marks: dict[Party, int], module_id: str) -> None:
        """Asked after the right ones have got theirs; that the hub itself reads lists of new partners is another matter."""
        seen = [
            s
            for party, mark in marks.items()
            for s in await self._of(party).seen(mark)
            if s["module"] == module_id and s["method"] != "GET"
        ]
        names = " and ".join(self._of(party).name for party in marks)
        self._check(not seen, f"nothing of it came to {names}", seen)

    async def _ask(self, token: Object, receiver: Party | None, expected: str) -> None:
        mark = await self._of(LDK).seen_count()
        said = await self._of(VST).authorize(VST, token["uid"], token["type"], receiver)
        allowed = said.data and said.data["allowed"]
        way = f"asks {receiver}" if receiver else "asks the hub, which finds the eMSP"
        self._check(allowed == expected, f"Voltstroom {way} about {token['uid']}: {expected}", said)
        seen = await self._of(LDK).wait_until_seen(mark, lambda seen: _is(seen, "POST", "tokens"))
        held = seen is not None and seen["sender"] == str(VST) and seen["path"].endswith("/authorize")
        self._check(held, "LadeKarte was asked in real time", seen)

    async def _cdrs_delivered(self, cdrs: list[Object]) -> None:
        for party in (GRP, LDK):
            due = len([cdr for cdr in cdrs if _owner(cdr["cdr_token"]) == str(party)])
            got = await self._count_of_cdrs(self._of(party), due)
            self._check(got == due, f"{self._of(party).name} has all {due} CDRs that it is to pay", got)

    async def _count_of_cdrs(self, remote: Remote, due: int) -> int:
        got = (await remote.kept())["cdrs"]
        for _ in range(int(DELIVERY_WAIT_SECONDS / DELIVERY_POLL_SECONDS)):
            if got >= due:
                break
            await asyncio.sleep(DELIVERY_POLL_SECONDS)
            got = (await remote.kept())["cdrs"]
        return got

    async def _statement(self, month: str = MONTH) -> bytes:
        command = [sys.executable, "-m", "hub", "statement", "--month", month, "--format", "json"]
        return await run_to_end(self._stage.program(command))

    def _session(self) -> Object:
        token, evse = self._with("ALLOWED"), self._location["evses"][0]
        named = ("country_code", "party_id", "uid", "type", "contract_id")
        return {
            "country_code": VST.country_code,
            "party_id": VST.party_id,
            "id": "story-1",
            "start_date_time": self._stage.moment(60),
            "kwh": Decimal("0.250"),
            "cdr_token": {name: token[name] for name in named},
            "auth_method": "WHITELIST",
            "location_id": self._location["id"],
            "evse_uid": evse["uid"],
            "connector_id": evse["connectors"][0]["id"],
            "currency": "EUR",
            "status": "ACTIVE",
            "last_updated": self._stage.moment(30),
        }

    def _with(self, whitelist: str) -> Object:
        return next(token for token in self._tokens if token["valid"] and token["whitelist"] == whitelist)

    def _invalid(self) -> Object:
        return next(token for token in self._tokens if not token["valid"])

    def _of(self, party: Party) -> Remote:
        return self._stage.platform_of(party)

    def _check(self, held: bool, sentence: str, seen: object = None) -> None:
        self._teller.check(held, sentence, seen)


def _owner(content: Object) -> str:
    return f"{content['country_code']}/{content['party_id']}"


def _is(seen: Object, method: str, module_id: str) -> bool:
    return bool(seen["method"] == method and seen["module"] == module_id)


def _agrees(row: Object | None, wanted: Object) -> bool:
    return row is not None and (
        row["cdrs"] == wanted["cdrs"]
        and row["credits"] == wanted["of_which_credits"]
        and row["cdrs"] - row["cdrs_without_incl_vat"] == wanted["of_which_state_incl_vat"]
        and row["excl_vat"] == wanted["total_excl_vat"]
        and row["incl_vat"] == wanted["total_incl_vat"]
    )
