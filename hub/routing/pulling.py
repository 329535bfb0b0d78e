"""Catching up: what partners may have changed while nobody could tell, the hub asks for itself (T-23, P-17, X-29).

After a gap in the connection each module is asked for from the last sync on, an hour earlier for good measure (X-55), and what changed
is kept and told to others as if it had been pushed. On a schedule, locations and tariffs are read whole; what is missing then is stale.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import structlog

from hub.clock import Clock
from hub.partners.calls import call_headers
from hub.partners.client import Answer, Call, PartnerClient, join_url
from hub.partners.crawl import crawl
from hub.partners.delivery import LanesPort
from hub.partners.directory import Directory, Partner, Presence
from hub.partners.roster import Roster
from hub.routing.router import Router
from hub.store.copies import Copies, Crawled
from hub.store.pulls import Pulled, PullMode, Pulls, PullState
from ocpi_modules.catalog import FUNCTIONAL, MODULES
from ocpi_modules.errors import BodyTooLarge, InvalidParameters, OcpiError, ServerFault
from ocpi_modules.message import Message, is_key
from ocpi_modules.module import Interface, Module, Purpose
from ocpi_modules.parties import Party
from ocpi_modules.types import NotJsonText, decode_json, fold, format_datetime

OVERLAP_SECONDS = 3600.0
PAGE_OBJECTS = 100
OBJECTS_MAX = 1_000_000
PULLS_AT_ONCE_MAX = 4
ATTEMPTS_MAX = 5
RETRY_SECONDS = 60.0
LOOK_EVERY_SECONDS = 1.0
CLOSE_WAIT_SECONDS = 5.0
SAID_MAX_CHARACTERS = 255

PULLED = tuple(module for module in FUNCTIONAL if module.is_kept)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PullPorts:
    """What pulling works with."""

    roster: Roster
    pulls: Pulls
    copies: Copies
    client: PartnerClient
    router: Router
    lanes: LanesPort
    clock: Clock
    new_id: Callable[[], str]
    welcome: Callable[[int], Awaitable[None]]
    object_max_bytes: int


@dataclass(frozen=True, slots=True)
class Errand:
    """One list to read: a module of a partner, from `since` on and before `until` (UTC), or whole."""

    partner: Partner
    module: Module
    since: datetime | None
    crawled_before: datetime | None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """From when on and before when (UTC) something was updated."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look into a list brought: objects, those of them that were refused, and why it did not come to its end."""

    objects: int = 0
    refused: int = 0
    said: str = ""


@dataclass(slots=True)
class _Tally:
    objects: int = 0
    refused: int = 0
    is_short: bool = False
    seen: dict[Party, set[tuple[str, str]]] = field(default_factory=dict)

    def looked(self, said: str) -> Looked:
        return Looked(objects=self.objects, refused=self.refused, said=said[:SAID_MAX_CHARACTERS])


class Puller:
    """Reads partners' lists after gaps and on schedule, one list of a partner at a time, PULLS_AT_ONCE_MAX at once.

    One process of the hub at a time does this, between `start` and `close`.
    """

    def __init__(self, ports: PullPorts, *, settle_seconds: float, schedule_seconds: float) -> None:
        self._ports = ports
        self._settle_seconds = settle_seconds  # who is just joining still waits for the answer to its credentials
        self._schedule = timedelta(seconds=schedule_seconds)
        self._slots = asyncio.Semaphore(PULLS_AT_ONCE_MAX)
        self._locks: dict[int, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: dict[tuple[int, str], asyncio.Event] = {}
        self._wishes: set[tuple[int, str]] = set()  # for the whole list, while it is being read or waited for
        self._gaps: dict[tuple[int, str], datetime] = {}  # begun, and not caught up on yet
        self._loop: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._closing.set()

    def on_change(self, before: Directory, now: Directory) -> None:
        """A listener of the roster: whoever is connected now and was not before may have something to catch up on."""
        if self._closing.is_set():
            return
        for partner in now.partners.values():
            if is_there(partner, now) and not is_there(before.partners.get(partner.id), before):
                gap_began_at = gap_start(partner, before, self._ports.clock.now())
                for module in PULLED:
                    self._gaps.setdefault((partner.id, module.id), gap_began_at)
                self._start(self._catch_up(partner.id, is_crawl=False))
            elif is_there(partner, now) and now.parties_of(partner) - before.parties_of(partner):
                self._start(self._catch_up(partner.id, is_crawl=True))  # a new party's list was never read

    def start(self) -> None:
        """Look for lists whose time has come, until closed; first at everybody who is connected, as nobody looked before."""
        self._closing = asyncio.Event()
        directory = self._ports.roster.directory
        self.on_change(Directory(directory.hub), directory)
        self._loop = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, at the next page or sooner, until started again; an interrupted pull begins again from the same date."""
        self._closing.set()
        self._gaps.clear()
        tasks = [task for task in (self._loop, *self._tasks) if task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSE_WAIT_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def pull_now(self, partner: Partner, module: Module) -> None:
        """Read the list of a module soon, whatever its mode (an operator's wish): whole, but sessions and CDRs from the last sync on."""
        self._start(self._pull(partner.id, module, is_crawl=True))

    async def look(self, owner: Party, module: Module, window: Window) -> Looked | None:
        """Read what of an owner's list was updated in a window, and keep it; None where that cannot be done now, but may be later.

        What is known of the partner's syncs stays as it is.
        """
        partner = self._ports.roster.directory.partner_behind(owner)
        if partner is None or partner.is_local or partner.endpoint(module, Interface.SENDER) is None:
            return Looked(said="nobody offers this list")
        if self._closing.is_set() or not is_there(partner, self._ports.roster.directory):
            return None
        errand, tally = Errand(partner, module, window.since, None, window.until), _Tally()
        async with self._locks.setdefault(partner.id, asyncio.Lock()), self._slots:
            try:
                await self._read_list(errand, owner, tally)
            except OcpiError as fault:
                return None if self._closing.is_set() else tally.looked(fault.message or type(fault).__name__)
        return tally.looked("")

    # --- when ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not await self._paused(LOOK_EVERY_SECONDS):
            try:
                await self._look()
            except Exception:
                _log.exception("pulls_not_looked_at")

    async def _paused(self, seconds: float, wake: asyncio.Event | None = None) -> bool:
        """Wait, or until woken; whether the hub stops meanwhile."""
        waiting = [asyncio.create_task(event.wait()) for event in (self._closing, wake) if event is not None]
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if wake is not None:
            wake.clear()
        return self._closing.is_set()

    async def _look(self) -> None:
        now, directory = self._ports.clock.now(), self._ports.roster.directory
        for row in await self._ports.pulls.scheduled():
            is_due = row.tried_at is None or now - row.tried_at >= self._schedule
            if is_due and is_there(directory.partners.get(row.partner_id), directory):
                module = MODULES[row.module]
                self._start(self._pull(row.partner_id, module, is_crawl=module.can_go_stale))

    async def _catch_up(self, partner_id: int, *, is_crawl: bool) -> None:
        if await self._paused(self._settle_seconds):
            return
        directory = self._ports.roster.directory
        if not is_there(directory.partners.get(partner_id), directory):
            return  # when it is back, this begins again
        await self._ports.welcome(partner_id)
        for module in PULLED:
            self._start(self._pull(partner_id, module, is_crawl=is_crawl and not module.is_addressed))

    async def _pull(self, partner_id: int, module: Module, *, is_crawl: bool) -> None:
        key = (partner_id, module.id)
        if is_crawl:
            self._wishes.add(key)
        if key in self._running:
            self._running[key].set()  # it need not wait for its next attempt any longer
            return
        wake = self._running[key] = asyncio.Event()
        try:
            for wait_seconds in waits_seconds():  # others go on meanwhile
                if await self._paused(wait_seconds, wake) or await self._attempt(partner_id, module):
                    return
        finally:
            del self._running[key]
            self._wishes.discard(key)

    async def _attempt(self, partner_id: int, module: Module) -> bool:
        key = (partner_id, module.id)
        async with self._locks.setdefault(partner_id, asyncio.Lock()), self._slots:
            directory = self._ports.roster.directory
            partner = directory.partners.get(partner_id)
            if partner is None or not is_there(partner, directory):
                return True  # it is caught up on when it is back
            is_crawl = key in self._wishes
            errand = await self._errand(partner, module, is_crawl=is_crawl)
            is_done = errand is None or await self._run_errand(errand)
            if is_done:
                self._gaps.pop(key, None)
            return is_done and is_crawl is (key in self._wishes)

    # --- what ----------------------------------------------------------------------------------

    async def _errand(self, partner: Partner, module: Module, *, is_crawl: bool) -> Errand | None:
        state = await self._ports.pulls.state(partner.id, module.id)
        if partner.is_local:
            return None  # what it has, it said here
        if partner.endpoint(module, Interface.SENDER) is None or (state.mode is PullMode.NEVER and not is_crawl):
            return None
        if is_crawl and not module.is_addressed:
            return Errand(partner, module, None, state.crawled_at)
        owners = self._owners(partner, module)
        gap_began_at = self._gaps.get((partner.id, module.id), self._ports.clock.now())
        since = sync_point(state, await self._ports.copies.last_push(module, owners, gap_began_at))
        if since is None and module.is_addressed:  # nothing was missed yet, and what is older is settled elsewhere
            await self._note_in_sync(partner, module)
            return None
        return Errand(partner, module, since, None)

    def _owners(self, partner: Partner, module: Module) -> Sequence[Party]:
        return sorted(self._ports.roster.directory.parties_of(partner, module.senders))

    async def _run_errand(self, errand: Errand) -> bool:
        """Carry out an errand; whether it needs no further attempt."""
        began_at, tally, said = self._ports.clock.now(), _Tally(), ""
        await self._ports.pulls.begun(errand.partner.id, errand.module.id, began_at)
        try:
            for owner in self._owners(errand.partner, errand.module):
                await self._read_list(errand, owner, tally)
        except OcpiError as fault:  # the list may be away while the partner is there: no reason to call it OFFLINE
            said = fault.message or type(fault).__name__
        is_crawl = errand.since is None and not errand.module.is_addressed
        said = said or ("the list ended before its X-Total-Count" if is_crawl and tally.is_short else "")
        pulled = Pulled(
            began_at=began_at,
            is_complete=not said,
            is_crawl=is_crawl,
            objects=tally.objects,
            refused=tally.refused,
            said=said[:SAID_MAX_CHARACTERS],
        )
        await self._finish(errand, pulled, tally)
        return not said

    async def _finish(self, errand: Errand, pulled: Pulled, tally: _Tally) -> None:
        names = {"partner_id": errand.partner.id, "module": errand.module.id}
        _log.info("pulled", **names, objects=pulled.objects, refused=pulled.refused, failure=pulled.said)
        state = await self._ports.pulls.state(errand.partner.id, errand.module.id)
        if pulled.is_complete and pulled.is_crawl and state.mode is PullMode.SCHEDULE and errand.module.can_go_stale:
            for owner in self._owners(errand.partner, errand.module):
                await self._mark_missing(errand, owner, tally.seen.get(owner, set()), pulled.began_at)
        await self._ports.pulls.done(errand.partner.id, errand.module.id, pulled)

    async def _mark_missing(
        self, errand: Errand, owner: Party, seen: Collection[tuple[str, str]], at: datetime
    ) -> None:
        crawled = Crawled(module=errand.module, owner=owner, seen=seen, at=at, crawled_before=errand.crawled_before)
        missing = await self._ports.copies.mark_missing(crawled)
        if missing:
            _log.warning("copies_stale", owner=str(owner), module=errand.module.id, objects=missing)

    async def _note_in_sync(self, partner: Partner, module: Module) -> None:
        now = self._ports.clock.now()
        pulled = Pulled(began_at=now, is_complete=True, is_crawl=False, objects=0, refused=0, said="")
        await self._ports.pulls.done(partner.id, module.id, pulled)

    # --- how -----------------------------------------------------------------------------------

    async def _read_list(self, errand: Errand, owner: Party, tally: _Tally) -> None:
        endpoint = errand.partner.endpoint(errand.module, Interface.SENDER)
        assert endpoint is not None

        async def fetch(url: str) -> Answer:
            headers, partner_id = self._headers(errand, owner), errand.partner.id
            call = Call(method="GET", url=url, headers=headers, partner_id=partner_id, module_id=errand.module.id)
            return await self._ports.client.fetch(call)

        total, unnamed = 0, 0
        named: set[tuple[Party, str, str]] = set()  # a partner that repeats its first page has not shown its whole list
        async for page in crawl(fetch, first_page(endpoint, errand.since, errand.until), errand.partner.quirks):
            total = page.total or 0
            if self._closing.is_set():
                raise ServerFault("the hub stops")
            await self._ports.lanes.room(PAGE_OBJECTS)
            for text in page.items:
                key = await self._take(errand, text, tally)
                unnamed += key is None
                named |= {key} if key else set()
            if tally.objects > OBJECTS_MAX:
                raise InvalidParameters(f"the list has more than {OBJECTS_MAX} objects")
        tally.is_short = tally.is_short or len(named) + unnamed < total

    def _headers(self, errand: Errand, owner: Party) -> dict[str, str]:
        ids = (self._ports.new_id(), self._ports.new_id())
        return call_headers(errand.partner, self._ports.roster.directory.hub, owner, ids)

    async def _take(self, errand: Errand, text: bytes, tally: _Tally) -> tuple[Party, str, str] | None:
        """Keep one object of a list, if it is good; whose it is and what it is called, if that can be read."""
        tally.objects += 1
        key = None
        try:
            if len(text) > self._ports.object_max_bytes:
                raise BodyTooLarge
            message = pulled_message(errand.module, text, self._ports.roster.directory.hub, self._ports.new_id())
            owner = message.owner
            assert owner is not None
            key = (owner, fold(message.object_keys[0]), message.variant)
            tally.seen.setdefault(owner, set()).add(key[1:])
            await self._ports.router.take_pulled(message, errand.partner)
        except OcpiError as refused:
            tally.refused += 1
            names = {"partner_id": errand.partner.id, "module": errand.module.id}
            _log.warning("pulled_object_refused", **names, reason=refused.message)
        return key

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.error("pull_failed", error=type(fault).__name__, exc_info=fault)


def is_there(partner: Partner | None, directory: Directory) -> bool:
    """Whether a partner is connected."""
    return partner is not None and partner.is_joined and not directory.is_offline(partner)


def waits_seconds() -> list[float]:
    """How long to wait before each attempt: not at all, a minute, then twice as long each time."""
    return [0.0, *(RETRY_SECONDS * 2**again for again in range(ATTEMPTS_MAX - 1))]


def gap_start(partner: Partner, before: Directory, now: datetime) -> datetime:
    """Since when pushes of a partner may have got lost: it went OFFLINE then; else now, for the hub itself was away, or it is new.

    The push with which a partner comes back must not count as a sync: what came before it is what was missed.
    """
    members = before.members_of(partner)
    return min((one.last_updated for one in members if one.status is Presence.OFFLINE), default=now)


def sync_point(state: PullState, pushed_at: datetime | None) -> datetime | None:
    """From when on something may be missing: the last complete pull or push, an hour earlier; None where nothing was pulled yet.

    A push is no sync while something older is still missing, nor where the operator had the list pulled on a schedule: there it is
    not relied on that everything is pushed.
    """
    if state.synced_at is None:
        return None
    relies_on_pushes = not state.is_behind and state.mode is not PullMode.SCHEDULE
    last = max(state.synced_at, pushed_at or state.synced_at) if relies_on_pushes else state.synced_at
    return last - timedelta(seconds=OVERLAP_SECONDS)


def first_page(endpoint: str, since: datetime | None, until: datetime | None = None) -> str:
    """The URL of the first page of a list."""
    dates = {"date_from": since, "date_to": until}
    asked = {name: format_datetime(date) for name, date in dates.items() if date is not None}
    asked["limit"] = str(PAGE_OBJECTS)
    return join_url(endpoint, "", urlencode(asked, safe=":"))


def pulled_message(module: Module, text: bytes, hub: Party, new_id: str) -> Message:
    """A listed object as the push to the hub that its owner could have sent. Raises InvalidParameters for one without owner or id."""
    content = _content(text)
    names = ("country_code", "party_id", module.key)
    keys = tuple(str(content.get(name, "")) for name in names)
    if not all(is_key(key) for key in keys):
        raise InvalidParameters(f"{', '.join(names)} are required")
    party = Party.of(keys[0], keys[1])
    owner = (party.country_code, party.party_id)
    operation = next(one for one in module.receiver if one.purpose in {Purpose.REPLACE, Purpose.ADD})
    variant = module.variant_of({}, content)
    query = {module.variant.parameter: variant} if module.variant else {}
    return Message(
        module=module,
        interface=Interface.RECEIVER,
        operation=operation,
        keys=keys if operation.is_owned else (),
        suffix="/".join(quote(key, safe="") for key in (*owner, keys[2])) if operation.is_owned else "",
        raw_query=urlencode(query),
        query=query,
        body=text,
        content=content,
        sender=party,
        receiver=hub,
        request_id=new_id,
        correlation_id=new_id,
    )


def _content(text: bytes) -> dict[str, Any]:
    try:
        content = decode_json(text)
    except NotJsonText as exc:
        raise InvalidParameters(f"an object of the list is not valid JSON: {exc}") from exc
    if not isinstance(content, dict):
        raise InvalidParameters("an entry of the list is not a JSON object")
    return content
