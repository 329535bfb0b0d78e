"""Stations whose sockets are at other processes of the hub: questions go there over the wire of `hub.partners.peers`."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import structlog

from hub.chargers.events import Answered, Ask, Outcome
from hub.chargers.sockets import Sockets
from hub.partners.peers import Peers

ASKED, TAKEN, DISMISSED = "station", "station-taken", "station-dismissed"
SPARE_SECONDS = 0.5  # for the way there and back, beyond what the station may take

_KINDS: dict[str, Any] = {kind.__name__: kind for kind in get_args(Ask)}

_log = structlog.get_logger()


class Asked(msgspec.Struct, array_like=True):
    """A question on the wire."""

    identity: str
    wait_seconds: float
    kind: str
    ask: msgspec.Raw


def pack_ask(identity: str, ask: Ask, wait_seconds: float) -> bytes:
    """A question as bytes."""
    body = msgspec.Raw(msgspec.msgpack.encode(ask))
    return msgspec.msgpack.encode(Asked(identity, wait_seconds, type(ask).__name__, body))


def unpack_ask(body: bytes) -> tuple[str, Ask, float]:
    """Whom to ask what, and how long to wait (seconds). Raises msgspec.MsgspecError and KeyError for what is none."""
    asked = msgspec.msgpack.decode(body, type=Asked)
    ask: Ask = msgspec.msgpack.decode(asked.ask, type=_KINDS[asked.kind])
    return asked.identity, ask, asked.wait_seconds


class PeerStations:
    """The other processes, as `Sockets` asks them; give `answer_for` the sockets of this one before the start of `peers`."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    @property
    def own_name(self) -> str:
        """The name of this process."""
        return self._peers.name

    def answer_for(self, sockets: Sockets) -> None:
        """Answer questions of others about stations at this process, and make way for newer sockets there."""

        async def give(body: bytes) -> bytes:
            identity, ask, wait_seconds = unpack_ask(body)
            return msgspec.msgpack.encode(await sockets.ask_here(identity, ask, wait_seconds))

        self._peers.answer_one(ASKED, give)
        self._peers.hear(TAKEN, lambda body: sockets.taken_elsewhere(body.decode()))
        self._peers.hear(DISMISSED, lambda body: sockets.dismiss_here(body.decode()))

    async def ask(self, process: str, identity: str, ask: Ask, wait_seconds: float) -> Outcome | None:
        """What a station answers that is connected to another process; None where that process does not have it."""
        if process == self._peers.name:
            return None
        body = pack_ask(identity, ask, wait_seconds)
        answer = await self._peers.ask_one(process, ASKED, body, wait_seconds + SPARE_SECONDS)
        if answer is None:
            return None
        try:
            return msgspec.msgpack.decode(answer, type=Outcome | None)
        except msgspec.MsgspecError as error:
            _log.warning("other_process_not_understood", process=process, error=str(error))
            return Outcome(Answered.FAILED, said="the hub could not ask it")

    def took(self, identity: str) -> None:
        """Tell the others that a station has a new socket here."""
        self._peers.say(TAKEN, identity.encode())

    def dismissed(self, identity: str) -> None:
        """Tell the others that the operator keeps a station out."""
        self._peers.say(DISMISSED, identity.encode())
