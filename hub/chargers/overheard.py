"""What the local CPO says, for the journal of messages: as if it had come in over the network, like what any partner says."""

from __future__ import annotations

import time
from collections.abc import Callable

from hub.clock import Clock
from hub.partners.exchanges import Inward
from hub.store.exchanges import Head
from ocpi_modules.catalog import VERSION
from ocpi_modules.envelope import envelope_pieces
from ocpi_modules.message import Message, Reply

BROKEN_OFF = "it was broken off before there was an answer"

Note = Callable[[Inward], None]
"""Takes an exchange down (`hub.partners.recorder.Recorder.note`)."""


class Overheard:
    """Takes down what is said in process; `note` None: there is no journal."""

    def __init__(self, note: Note | None, clock: Clock) -> None:
        self._note, self._clock = note, clock

    def take(self, message: Message, partner: int, reply: Reply | None, started: float) -> None:
        """A message of a partner that began at `started` (`time.perf_counter`), and its reply; None where it was broken off."""
        if self._note is None:
            return
        pieces = (
            () if reply is None else envelope_pieces(self._clock.now(), reply.status_code, reply.message, reply.data)
        )
        answer_bytes = sum(map(len, pieces))
        head = Head(
            started=started,
            seconds=time.perf_counter() - started,
            is_inbound=True,
            module=message.module.id,
            method=message.operation.method,
            place=_path(message),
            query=message.raw_query,
            partner=partner,
            sender=str(message.sender),
            receiver=str(message.receiver or ""),
            http_status=reply.http_status if reply else 0,
            status_code=reply.status_code if reply else 0,
            ids=(message.request_id, message.correlation_id),
            request_bytes=len(message.body),
            answer_bytes=answer_bytes,
            fault="" if reply else BROKEN_OFF,
        )
        self._note(Inward(head, None, message.body, pieces, len(message.body) + answer_bytes))


def _path(message: Message) -> str:
    """The path at which a partner would have said it."""
    return f"/ocpi/{VERSION}/{message.interface.value.lower()}/{message.module.id}/{message.suffix}".rstrip("/")
