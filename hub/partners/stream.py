"""The connection to NATS: what the processes of a hub tell each other, and the door to the stream that carries their lanes.

What is told has no memory: whoever is cut off hears nothing, and reads the tables again when it is back. Everything that must not be
lost is in PostgreSQL.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from ocpi_modules.parties import Party

CONNECT_WAIT_SECONDS = 5.0
ATTEMPT_WAIT_SECONDS = 2
RECONNECT_PAUSE_SECONDS = 0.25
PING_EVERY_SECONDS = 5  # a server that is silent twice is given up
API_WAIT_SECONDS = 5.0
ANSWERING_MAX_QUESTIONS = 1_000

_log = structlog.get_logger()

Take = Callable[[bytes], None]
Give = Callable[[], Awaitable[bytes]]
Hook = Callable[[], Awaitable[None]]


class NotConnected(Exception):
    """NATS cannot be reached."""


class Stream:
    """One connection of this process, kept up until closed. `hub` keeps hubs apart that share a NATS."""

    def __init__(self, url: str, hub: Party) -> None:
        self._servers = [server.strip() for server in url.split(",") if server.strip()]
        self.name = f"OCPI-{hub.country_code}{hub.party_id}"
        self.prefix = f"ocpi.{hub.country_code}{hub.party_id}"
        self.client = Client()
        self.jetstream: JetStreamContext = self.client.jetstream(timeout=API_WAIT_SECONDS)
        self._takers: list[tuple[str, Callable[[Msg], Awaitable[None]]]] = []
        self._up: list[Hook] = []
        self._down: list[Callable[[], None]] = []
        self._connecting: asyncio.Task[None] | None = None
        self._said = ""
        self._answering: set[asyncio.Task[None]] = set()

    # --- the connection ---

    @property
    def is_connected(self) -> bool:
        """Whether NATS can be reached now."""
        return bool(self.client.is_connected)

    def on_up(self, hook: Hook) -> None:
        """Call this whenever the connection is made, the first time too."""
        self._up.append(hook)

    def on_down(self, hook: Callable[[], None]) -> None:
        """Call this whenever the connection is lost."""
        self._down.append(hook)

    async def start(self) -> None:
        """Connect, and go on trying in the background when that takes longer than CONNECT_WAIT_SECONDS: the hub answers without it."""
        self._connecting = asyncio.create_task(self._connect())
        done, _ = await asyncio.wait({self._connecting}, timeout=CONNECT_WAIT_SECONDS)
        if not done:
            _log.warning("nats_not_connected")

    async def close(self) -> None:
        """Send what waits to be sent, and leave."""
        if self._connecting is None:
            return
        self._connecting.cancel()
        await asyncio.gather(self._connecting, return_exceptions=True)
        await self.client.close()

    async def _connect(self) -> None:
        await self.client.connect(
            self._servers,
            name="ocpi-hub",
            no_echo=True,
            connect_timeout=ATTEMPT_WAIT_SECONDS,
            reconnect_time_wait=RECONNECT_PAUSE_SECONDS,  # type: ignore[arg-type]  # it is slept for
            max_reconnect_attempts=-1,
            ping_interval=PING_EVERY_SECONDS,
            error_cb=self._failed,
            disconnected_cb=self._disconnected,
            reconnected_cb=self._reconnected,
        )
        for subject, take in self._takers:
            await self.client.subscribe(subject, cb=take)
        await self._reconnected()

    async def _failed(self, error: Exception) -> None:
        said = f"{type(error).__name__}: {error}"
        if said != self._said:  # each attempt to connect fails with the same
            _log.warning("nats_error", error=said)
        self._said = said

    async def _disconnected(self) -> None:
        _log.warning("nats_disconnected")
        for hook in self._down:
            hook()

    async def _reconnected(self) -> None:
        _log.info("nats_connected")
        self._said = ""
        for hook in self._up:
            try:
                await hook()
            except Exception as exc:
                _log.warning("nats_not_ready", error=f"{type(exc).__name__}: {exc}")

    # --- telling and asking ---

    async def tell(self, topic: str, body: bytes) -> None:
        """Tell the other processes, if they can be reached."""
        if self.is_connected:
            await self._publish(f"{self.prefix}.told.{topic}", body)

    def listen(self, topic: str, take: Take) -> None:
        """Hear what other processes tell about a topic; to be said before the start."""

        async def told(message: Msg) -> None:
            take(message.data)

        self._takers.append((f"{self.prefix}.told.{topic}", told))

    def answer(self, topic: str, give: Give) -> None:
        """Answer other processes that ask about a topic; to be said before the start."""

        async def asked(message: Msg) -> None:
            await self._publish(message.reply, await give())

        self._takers.append((f"{self.prefix}.asked.{topic}", asked))

    async def ask(self, topic: str, answers_max: int, wait_seconds: float) -> list[bytes]:
        """What the other processes answer: when so many have answered, or the time is over."""
        if not self.is_connected or answers_max < 1:
            return []
        answers: list[bytes] = []
        inbox = self.client.new_inbox()
        is_whole = asyncio.Event()

        async def answered(message: Msg) -> None:
            answers.append(message.data)
            if len(answers) >= answers_max:
                is_whole.set()

        subscription = await self.client.subscribe(inbox, cb=answered)
        try:
            await self.client.publish(f"{self.prefix}.asked.{topic}", b"", reply=inbox)
            await asyncio.wait_for(is_whole.wait(), wait_seconds)
        except (TimeoutError, NatsError):
            pass
        finally:
            await subscription.unsubscribe()
        return answers

    def answer_one(self, topic: str, give: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Answer what is put to this process alone, each question by itself; to be said before the start."""

        async def respond(message: Msg) -> None:
            await self._publish(message.reply, await give(message.data))

        async def asked(message: Msg) -> None:
            if len(self._answering) >= ANSWERING_MAX_QUESTIONS:
                return  # whoever asked waits no longer than he said
            task = asyncio.create_task(respond(message))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

        self._takers.append((f"{self.prefix}.one.{topic}", asked))

    async def ask_one(self, topic: str, body: bytes, wait_seconds: float) -> bytes | None:
        """What the one who answers a topic says within a time; None where nobody does, at once where nobody is there."""
        if not self.is_connected:
            return None
        try:
            answer = await self.client.request(f"{self.prefix}.one.{topic}", body, timeout=wait_seconds)
        except (TimeoutError, NatsError):
            return None
        return answer.data

    async def api(self, call: str, asked: dict[str, Any]) -> dict[str, Any]:
        """One call of JetStream's own API. Raises what the client raises, and NotConnected for a refusal."""
        answer = await self.client.request(f"$JS.API.{call}", json.dumps(asked).encode(), timeout=API_WAIT_SECONDS)
        content: dict[str, Any] = json.loads(answer.data)
        if "error" in content:
            raise NotConnected(f"{call}: {content['error'].get('description')}")
        return content

    async def _publish(self, subject: str, body: bytes) -> None:
        try:
            await self.client.publish(subject, body)
        except NatsError as exc:
            _log.warning("not_told", subject=subject, error=type(exc).__name__)
