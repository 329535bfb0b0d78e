"""What the hub does at another platform while somebody watches: registering there takes several calls, each of which may take seconds."""

from __future__ import annotations

import asyncio

import structlog

from hub.partners.handshake import Handshake
from hub.partners.progress import Note, Step, Tell, of_errand
from hub.store.secrets import new_token
from hub.web.asked import PartnerAsked
from ocpi_modules.errors import ClientFault, OcpiError

AT_ONCE_MAX = 10
ERRAND_MAX_SECONDS = 120.0

_log = structlog.get_logger()


class Errands:
    """Registrations that this process is carrying out, AT_ONCE_MAX at most; how far they are is told by the name of each."""

    def __init__(self, handshake: Handshake, tell: Tell) -> None:
        self._handshake, self._tell = handshake, tell
        self._tasks: set[asyncio.Task[None]] = set()

    async def register_at(self, asked: PartnerAsked) -> str:
        """Begin to register the hub somewhere; returns the name of the errand. Raises ClientFault (409) where too many are under way."""
        if len(self._tasks) >= AT_ONCE_MAX:
            raise ClientFault("too many registrations are under way; try again in a minute", http_status=409)
        name = new_token()[:24]
        await self._tell(Note(of_errand(name), Step.BEGUN, asked.versions_url))
        task = asyncio.create_task(self._register(asked, name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return name

    async def close(self) -> None:
        """Give up what is under way; nothing of it stays behind."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _register(self, asked: PartnerAsked, name: str) -> None:
        try:
            async with asyncio.timeout(ERRAND_MAX_SECONDS):
                await self._handshake.register_at(asked.versions_url, asked.token, errand=name)
        except OcpiError:
            return  # it was told where it happened
        except Exception as exc:
            _log.exception("errand_failed", errand=name)
            said = (
                f"it took more than {ERRAND_MAX_SECONDS:.0f} seconds"
                if isinstance(exc, TimeoutError)
                else "the hub failed"
            )
            await self._tell(Note(of_errand(name), Step.JOINED, said, is_good=False))
