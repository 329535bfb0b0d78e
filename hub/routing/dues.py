"""CDRs that the hub accepted stay due until their payer has them: the one exception to "nothing is sent twice", because of the money.

One process of the hub at a time takes them there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context

import structlog

from hub.partners.calls import call_headers
from hub.partners.client import Call, PartnerClient
from hub.partners.dialect import spoken_text
from hub.partners.directory import Directory, Partner
from hub.partners.roster import Roster
from hub.store.ledger import Due, Ledger
from ocpi_modules.catalog import MODULES
from ocpi_modules.envelope import read_envelope
from ocpi_modules.errors import ReceiverNotConnected, ReceiverTimeout, RoutingFault
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party

RETRY_SECONDS = 60.0
REFUSED_PAUSE_MAX_SECONDS = 24 * 3600.0

Lost = Callable[[Partner], Awaitable[None]]
NewId = Callable[[], str]

_CDRS = MODULES["cdrs"]
_log = structlog.get_logger()


class Dues:
    """Takes due CDRs to their payers: at once when one is accepted, when its payer is back, and from time to time."""

    def __init__(self, ledger: Ledger, roster: Roster, client: PartnerClient, lost: Lost, new_id: NewId) -> None:
        self._ledger, self._roster, self._client = ledger, roster, client
        self._lost, self._new_id = lost, new_id
        self._woken: set[Party] = set()
        self._resting: dict[Party, dict[tuple[Party, str], float]] = {}
        self._tasks: dict[Party, asyncio.Task[None]] = {}
        self._loop: asyncio.Task[None] | None = None

    def wake(self, payer: Party) -> None:
        """There may be something due for this payer. Does nothing while stopped: what is due is found at the start."""
        if self._loop is None:
            return
        self._woken.add(payer)
        task = self._tasks.get(payer)
        if task is None or task.done():
            self._tasks[payer] = asyncio.create_task(self._serve(payer), context=Context())

    def on_change(self, before: Directory, now: Directory) -> None:
        """A listener of the roster: whoever is connected now and was not before is served."""
        for member in now.members:
            if now.partner_of(member.party) and not before.partner_of(member.party):
                self._resting.pop(member.party, None)  # what it did not take while it was ill it may take now
                self.wake(member.party)

    def start(self) -> None:
        """Look for due CDRs now and every RETRY_SECONDS."""
        self._loop = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, until started again; what is due stays in the database."""
        tasks = [task for task in (self._loop, *self._tasks.values()) if task is not None and not task.done()]
        self._loop = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                # not cut off in the middle: a connection that is just being made would be lost
                for payer in await asyncio.shield(self._ledger.payers()):
                    self.wake(payer)
            except Exception:
                _log.exception("dues_failed")
            await asyncio.sleep(RETRY_SECONDS)

    async def _serve(self, payer: Party) -> None:
        while payer in self._woken:
            self._woken.discard(payer)
            partner = self._roster.directory.partner_of(payer)
            url = partner.endpoint(_CDRS, Interface.RECEIVER) if partner else None
            if partner is None or url is None:
                return
            try:
                await self._offer_all(payer, partner, url)
            except RoutingFault as fault:
                _log.warning("cdr_still_due", payer=str(payer), reason=fault.message)
                if isinstance(fault, ReceiverNotConnected):
                    await self._lost(partner)
            except Exception:
                _log.exception("dues_failed", payer=str(payer))

    async def _offer_all(self, payer: Party, partner: Partner, url: str) -> None:
        now = asyncio.get_running_loop().time()
        resting = self._resting.setdefault(payer, {})
        for due in await self._ledger.due(payer):
            if resting.get((due.creditor, due.cdr_key), now) <= now:
                await self._offer(due, partner, url)

    async def _offer(self, due: Due, partner: Partner, url: str) -> None:
        hub = self._roster.directory.hub
        headers = call_headers(partner, hub, due.payer, (self._new_id(), self._new_id()))
        body = spoken_text(_CDRS, due.body, partner.quirks)
        headers["Content-Type"] = "application/json"
        call = Call(method="POST", url=url, headers=headers, body=body, partner_id=partner.id, module_id=_CDRS.id)
        try:
            answer = await self._client.send(call)
        except ReceiverNotConnected:
            raise
        except RoutingFault as fault:  # it may be this one CDR that the payer chokes on: it holds up no other
            await self._rest(due, fault.message, RETRY_SECONDS)
            if isinstance(fault, ReceiverTimeout):
                raise
            return
        envelope = read_envelope(answer.body)
        if envelope is not None and envelope.is_success and answer.http_status < 300:
            await self._ledger.settle_due(due)
            self._resting.get(due.payer, {}).pop((due.creditor, due.cdr_key), None)
            return
        if envelope is None:  # a server in front of it, or one that is ill: that says nothing of this CDR
            await self._rest(due, f"HTTP {answer.http_status}", RETRY_SECONDS)
            return
        await self._rest(due, f"{envelope.status_code} {envelope.status_message or ''}", pause_seconds(due.attempts))

    async def _rest(self, due: Due, said: str, seconds: float) -> None:
        """Note why a CDR was not taken, and leave it alone for a while."""
        _log.warning("cdr_refused", payer=str(due.payer), creditor=str(due.creditor), cdr=due.cdr_key, answer=said)
        await self._ledger.refused_due(due, said)
        until = asyncio.get_running_loop().time() + seconds
        self._resting.setdefault(due.payer, {})[due.creditor, due.cdr_key] = until


def pause_seconds(attempts: int) -> float:
    """How long a CDR rests that was refused so often before: a minute, then twice as long each time, a day at most."""
    return min(REFUSED_PAUSE_MAX_SECONDS, RETRY_SECONDS * 2.0 ** min(attempts, 30))
