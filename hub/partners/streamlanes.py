"""Lanes that JetStream carries, so that any process may take a call to its receiver and order holds whichever process it came in at.

One stream holds what waits; one consumer a lane gives out one message at a time, so the next one leaves when the one before has been
dealt with. A process that dies holds its message for HELD_SECONDS, then another gets it. Tokens and addresses of partners are not in
the stream: whoever delivers takes them from its own directory, so that a renewed token or a suspension counts at once.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from hub.clock import Clock
from hub.partners.delivery import LAGGING_SECONDS, Deliverer, Heard, LaneState, Lost, Parcel, Send, Streak, Tally
from hub.partners.directory import Directory, Partner
from hub.partners.packed import Packed, lanes_of, pack, read_packed, supersedes_token, token_of, unpack
from hub.partners.roster import Roster
from hub.partners.stream import NotConnected, Stream

PUBLISH_WAIT_SECONDS = 2.0
WAITING_TO_PUBLISH_MAX_MESSAGES = 10_000
STREAM_AGE_MAX_SECONDS = 3600.0  # older than that is news to nobody
STREAM_MAX_BYTES = 1024**3
STREAM_LANES_MAX = 20_000
REPLICAS = 3
ONCE_WITHIN_SECONDS = 120.0
HELD_SECONDS = 5.0  # how long a message is given to nobody else while nothing is heard of its process
HOLD_EVERY_SECONDS = 1.5
DELIVERIES_MAX = 5
PULL_MESSAGES = 200
PULL_SECONDS = 15.0
PULL_AGAIN_SECONDS = 5.0
LOOK_EVERY_SECONDS = 1.0
CONSUMERS_AT_ONCE_MAX = 16
CONSUMERS_A_PAGE = 256
OLDEST_ASKED_MAX = 20
OLDEST_WAIT_SECONDS = 0.3
ROOM_WAIT_SECONDS = 2.0
ROOM_LOOK_SECONDS = 0.1

UNKNOWN_LOOKS = 5
STREAM_LOOKS = 60
CLOCKS_DIFFER_SECONDS = 5.0

STREAK = "streak"
NOT_CLUSTERED, NO_PEERS = 10074, 10005

_log = structlog.get_logger()


@dataclass(slots=True)
class _Lane:
    """A lane that this process takes messages from. `open_messages`: how many more its last request asks for."""

    name: str
    token: str
    streak: Streak = field(default_factory=Streak)
    is_ready: bool = False
    asked_at: float = 0.0
    open_messages: int = 0


@dataclass(slots=True)
class _Batch:
    """Messages on their way into the stream: how many answers are missing, and how many said that the stream has one."""

    missing: int
    done: asyncio.Future[None]
    confirmed: int = 0

    def answered(self, *, is_taken: bool) -> None:
        self.missing -= 1
        self.confirmed += is_taken
        if self.missing == 0 and not self.done.done():
            self.done.set_result(None)


class StreamLanes:
    """All lanes of the hub, as one of its processes sees them. Between `start` and `close` it takes messages from every lane."""

    def __init__(
        self,
        stream: Stream,
        roster: Roster,
        clock: Clock,
        outcomes: tuple[Send, Lost, Heard],
        *,
        max_messages: int,
        replicas: int | None = None,
    ) -> None:
        send, self._lost, heard = outcomes
        self._stream, self._roster, self._clock = stream, roster, clock
        self._deliverer = Deliverer(send, heard)
        self._max_messages = max_messages
        self._replicas = (replicas,) if replicas else (REPLICAS, 1)  # one where there is no cluster
        self._name, self._subjects = f"{stream.name}-LANES", f"{stream.prefix}.lane"
        self._is_stream_ready = False
        self._wake = asyncio.Event()
        self._unknown: dict[str, int] = {}
        self._counting: asyncio.Task[None] | None = None
        self._lanes: dict[str, _Lane] = {}  # by their tokens
        self._held: dict[str, Msg] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._queue: list[Parcel] = []
        self._publishing: asyncio.Task[None] | None = None
        self._batches: dict[int, _Batch] = {}
        self._batch = 0
        self._inbox = self._acks = ""
        self._depths: dict[str, int] = {}
        self._in_bulk: dict[str, int] = {}
        self._is_closed = False
        self._tally = Tally()
        stream.on_up(self._up)
        stream.listen(STREAK, self._take_streak)

    # --- into the lanes ---

    def push(self, parcel: Parcel) -> None:
        """Put a call at the end of its lane and return at once."""
        if self._is_closed or len(self._queue) >= WAITING_TO_PUBLISH_MAX_MESSAGES:
            self._tally.dropped[parcel.name] += 1
            return
        self._queue.append(parcel)
        if self._publishing is None or self._publishing.done():
            self._publishing = asyncio.create_task(self._publish_queue())

    async def push_all(self, parcels: Sequence[Parcel]) -> None:
        """Put calls at the ends of their lanes, in this order; returns when the stream has them, or after PUBLISH_WAIT_SECONDS.

        What it does not have by then is dropped, counted and logged.
        """
        taken = [parcel for parcel in parcels if not parcel.is_bulk or self._has_room(parcel.name)]
        is_open = bool(taken) and bool(self._acks) and self._stream.is_connected
        dropped = len(parcels) - (await self._publish(taken) if is_open else 0)
        if dropped:
            self._tally.dropped[_only_name(parcels)] += dropped
            _log.warning("pushes_dropped", messages=dropped, of=len(parcels))

    def depths(self) -> dict[str, int]:
        """How many calls wait, by lane, as they were counted last; known to the process that leads."""
        return dict(self._depths)

    @property
    def dropped_messages(self) -> int:
        """How many calls were dropped since the start."""
        return self._tally.dropped.total()

    @property
    def superseded_messages(self) -> int:
        """How many calls a newer one made pointless since the start."""
        return self._tally.superseded.total()

    async def states(self) -> dict[str, LaneState]:
        """How every lane is: what waits is known to the process that leads, what was lost to the one that lost it."""
        deepest = sorted((name for name, depth in self._depths.items() if depth), key=self._depth, reverse=True)
        found = await asyncio.gather(*map(self._oldest_seconds, deepest[:OLDEST_ASKED_MAX]))
        return self._tally.states(self.depths(), dict(zip(deepest, found, strict=False)))

    async def _oldest_seconds(self, name: str) -> float:
        """How long the oldest message of a lane has waited, the one that is under way included; 0 where that is not known."""
        try:
            subject = f"{self._subjects}.{token_of(name)}.>"
            async with asyncio.timeout(OLDEST_WAIT_SECONDS):
                first = await self._stream.jetstream.get_msg(self._name, 1, subject, next=True)
        except (NatsError, NotConnected, TimeoutError):
            return 0.0
        return max(0.0, (self._clock.now() - first.time).total_seconds()) if first.time else 0.0

    async def room(self, messages: int) -> None:
        """Wait until every lane can take so many more in bulk; ROOM_WAIT_SECONDS at most."""
        for _ in range(int(ROOM_WAIT_SECONDS / ROOM_LOOK_SECONDS)):
            if max(map(self._depth, self._depths), default=0) + messages <= self._max_messages // 2:
                return
            await asyncio.sleep(ROOM_LOOK_SECONDS)

    # --- life ---

    async def start(self) -> None:
        """Take messages from all lanes, and from those that come about later."""
        self._loops = [asyncio.create_task(self._keep_asking()), asyncio.create_task(self._hold())]

    def lead(self) -> None:
        """Count what waits, and empty lanes that overflow; for one process at a time."""
        self._counting = asyncio.create_task(self._keep_counting())

    async def follow(self) -> None:
        """Leave that to another process."""
        counting, self._counting = self._counting, None
        if counting is not None:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)
        self._depths.clear()

    async def close(self, drain_seconds: float) -> None:
        """Take nothing more, and let what is under way end; what waits is left to others."""
        self._is_closed = True
        await self.follow()
        for loop in self._loops:
            loop.cancel()
        waiting = [task for task in (self._publishing, *self._tasks) if task is not None and not task.done()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=drain_seconds)
            for task in late:
                task.cancel()
        await asyncio.gather(*self._loops, *waiting, return_exceptions=True)

    def on_change(self, _: Directory, now: Directory) -> None:
        """A listener of the roster: every joined partner and each of its parties has a lane."""
        wanted = lanes_of(now)
        self._lanes = {token: self._lanes.get(token) or _Lane(name, token) for token, name in wanted.items()}
        self._wake.set()

    # --- publishing ---

    async def _publish_queue(self) -> None:
        while self._queue:
            parcels, self._queue = self._queue, []
            await self.push_all(parcels)

    async def _publish(self, parcels: Sequence[Parcel]) -> int:
        """Publish a batch; returns how many of its messages the stream said that it has."""
        self._batch += 1
        number, batch = self._batch, _Batch(len(parcels), asyncio.get_running_loop().create_future())
        self._batches[number] = batch
        try:
            async with asyncio.timeout(PUBLISH_WAIT_SECONDS):
                for parcel in parcels:
                    await self._send(parcel, batch, f"{self._acks}.{number}")
                await batch.done
        except (TimeoutError, NatsError) as exc:
            _log.warning("stream_silent", error=type(exc).__name__)
        finally:
            del self._batches[number]
        return batch.confirmed

    async def _send(self, parcel: Parcel, batch: _Batch, reply: str) -> None:
        subject = f"{self._subjects}.{token_of(parcel.name)}.{supersedes_token(parcel.supersedes)}"
        headers = {"Nats-Msg-Id": parcel.once} if parcel.once else None
        try:
            await self._stream.client.publish(subject, pack(parcel), reply, headers)
        except MaxPayloadError:
            batch.answered(is_taken=False)
            _log.error("push_too_large", lane=parcel.name, bytes=len(parcel.call.body or b""))

    async def _take_answer(self, message: Msg) -> None:
        batch = self._batches.get(int(message.subject.rpartition(".")[2]))
        if batch is not None:
            batch.answered(is_taken=b'"error"' not in message.data and message.headers is None)

    # --- the stream and its consumers ---

    async def _up(self) -> None:
        """The connection was made: what NATS knew of this process is gone."""
        if not self._inbox:
            self._inbox, self._acks = self._stream.client.new_inbox(), self._stream.client.new_inbox()
            await self._stream.client.subscribe(f"{self._inbox}.*", cb=self._take)
            await self._stream.client.subscribe(f"{self._acks}.*", cb=self._take_answer)
        self._is_stream_ready = False
        for lane in self._lanes.values():
            lane.is_ready, lane.asked_at = False, 0.0
        await self._make_stream()
        self._wake.set()

    async def _make_stream(self) -> None:
        for replicas in self._replicas:
            try:
                await self._ensure_stream(replicas)
            except APIError as refused:
                if refused.err_code not in {NOT_CLUSTERED, NO_PEERS} or replicas == self._replicas[-1]:
                    raise
            else:
                break
        self._is_stream_ready = True

    async def _ensure_stream(self, replicas: int) -> None:
        """Make the stream, or give it the replicas that it should have; never fewer than it has."""
        config = StreamConfig(
            name=self._name,
            subjects=[f"{self._subjects}.>"],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,  # the oldest thrown away would be a gap in the middle of a lane
            max_age=STREAM_AGE_MAX_SECONDS,
            max_bytes=STREAM_MAX_BYTES,
            max_consumers=STREAM_LANES_MAX,
            duplicate_window=ONCE_WITHIN_SECONDS,
            allow_direct=True,
            num_replicas=replicas,
        )
        try:
            known = (await self._stream.jetstream.stream_info(self._name)).config
        except NotFoundError:
            await self._stream.jetstream.add_stream(config)
            return
        if (known.num_replicas or 1) < replicas:
            await self._stream.jetstream.update_stream(config)

    async def _keep_asking(self) -> None:
        """Make consumers for new lanes, and keep a request open at each, so that the next message comes by itself."""
        while True:
            self._wake.clear()
            try:
                await self._ask_all()
            except Exception as exc:  # the next look tries again
                _log.warning("lanes_not_asked", error=f"{type(exc).__name__}: {exc}")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_SECONDS)

    async def _ask_all(self) -> None:
        if not self._stream.is_connected or not self._inbox:
            return
        if not self._is_stream_ready:
            await self._make_stream()
        new = [lane for lane in self._lanes.values() if not lane.is_ready]
        for some in chunks(new, CONSUMERS_AT_ONCE_MAX):
            await asyncio.gather(*(self._make_consumer(lane) for lane in some))
        now = asyncio.get_running_loop().time()
        for lane in self._lanes.values():
            if lane.is_ready and now - lane.asked_at >= PULL_AGAIN_SECONDS:
                await self._ask(lane)

    async def _make_consumer(self, lane: _Lane) -> None:
        config = ConsumerConfig(
            durable_name=lane.token,
            filter_subject=f"{self._subjects}.{lane.token}.>",
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=HELD_SECONDS,
            max_ack_pending=1,  # this is what keeps the order
            max_deliver=DELIVERIES_MAX,
        )
        await self._stream.jetstream.add_consumer(self._name, config)
        lane.is_ready = True

    async def _ask(self, lane: _Lane) -> None:
        lane.asked_at, lane.open_messages = asyncio.get_running_loop().time(), PULL_MESSAGES
        asked = json.dumps({"batch": PULL_MESSAGES, "expires": int(PULL_SECONDS * 1e9)})
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._name}.{lane.token}"
        await self._stream.client.publish(subject, asked.encode(), f"{self._inbox}.{lane.token}")

    # --- out of the lanes ---

    async def _take(self, message: Msg) -> None:
        if message.subject.startswith(self._inbox):
            self._take_status(message)
        elif self._is_closed:
            await message.nak()
        else:
            lane = self._lanes.get(message.subject.split(".")[-2])
            self._begin(self._carry(message, lane.streak if lane else Streak()))
            if lane is not None:
                await self._taken(lane)

    async def _taken(self, lane: _Lane) -> None:
        lane.open_messages -= 1
        if lane.open_messages <= PULL_MESSAGES // 2:
            await self._ask(lane)

    def _take_status(self, message: Msg) -> None:
        """A request has ended: by its time (408), or because its consumer moved or is gone."""
        lane = self._lanes.get(message.subject.rpartition(".")[2])
        status = (message.headers or {}).get("Status")
        if lane is not None and status != "408":
            lane.is_ready, lane.asked_at = False, 0.0

    async def _carry(self, message: Msg, streak: Streak) -> None:
        self._held[message.reply] = message
        try:
            await self._deal_with(message, streak)
        except Exception:
            _log.exception("lane_failed", subject=message.subject)
        finally:
            self._held.pop(message.reply, None)
        with suppress(NatsError):
            await message.ack()  # not when this was cancelled: then another process gets it

    async def _deal_with(self, message: Msg, streak: Streak) -> None:
        packed = read_packed(message.data)
        if packed.is_superseding and await self._is_superseded(message):
            self._tally.superseded[packed.name] += 1
            return
        partner = await self._receiver(packed, message.metadata.timestamp)
        call = unpack(packed, partner) if partner is not None else None
        if partner is None or call is None:
            self._tally.dropped[packed.name] += 1
            return
        if self._roster.directory.is_offline(partner):
            await self._empty(packed.name, "offline")
            return
        timeouts = streak.timeouts
        is_there = await self._deliverer.deliver(Parcel(name=packed.name, partner=partner, call=call), streak)
        if streak.timeouts != timeouts:  # the next message of this lane may go to another process
            await self._stream.tell(STREAK, msgspec.msgpack.encode((packed.name, streak.timeouts)))
        if not is_there:
            await self._empty(packed.name, "lost")
            await self._lost(partner)

    def _take_streak(self, body: bytes) -> None:
        name, timeouts = msgspec.msgpack.decode(body, type=tuple[str, int])
        if (lane := self._lanes.get(token_of(name))) is not None:
            lane.streak.timeouts = timeouts

    async def _is_superseded(self, message: Msg) -> bool:
        """Whether a newer message that says the same of the same object waits; asked only when the lane lags."""
        metadata = message.metadata
        if not metadata.num_pending or self._clock.now() - metadata.timestamp < timedelta(seconds=LAGGING_SECONDS):
            return False
        try:
            last = await self._stream.jetstream.get_last_msg(self._name, message.subject, direct=True)
        except (NatsError, TimeoutError):
            return False
        return (last.seq or 0) > metadata.sequence.stream

    async def _receiver(self, packed: Packed, published_at: datetime) -> Partner | None:
        """The partner of a message, joined; the picture may be older than the message and is read again before that counts."""
        partner = self._roster.directory.partners.get(packed.partner_id)
        is_there = partner is not None and partner.is_joined and not self._roster.directory.is_offline(partner)
        if not is_there and self._roster.read_at < published_at + timedelta(seconds=CLOCKS_DIFFER_SECONDS):
            partner = (await self._roster.reread()).partners.get(packed.partner_id)
        return partner if partner is not None and partner.is_joined else None

    async def _empty(self, name: str, reason: str, in_hand: int = 1) -> None:
        """Empty a lane as a whole; what is just being dealt with is not counted as dropped."""
        subject = f"{self._subjects}.{token_of(name)}.>"
        try:
            purged = (await self._stream.api(f"STREAM.PURGE.{self._name}", {"filter": subject}))["purged"]
        except (NatsError, NotConnected, TimeoutError) as exc:
            _log.warning("lane_not_emptied", lane=name, error=type(exc).__name__)
            return
        dropped = max(0, purged - in_hand)
        if dropped:
            self._tally.dropped[name] += dropped
            _log.warning("lane_emptied", lane=name, messages=dropped, reason=reason)

    async def _hold(self) -> None:
        """Say of what is being dealt with that it is, so that nobody else is given it."""
        while True:
            await asyncio.sleep(HOLD_EVERY_SECONDS)
            for message in list(self._held.values()):
                with suppress(Exception):
                    await message.in_progress()

    # --- counting ---

    async def _keep_counting(self) -> None:
        for look in itertools.count(1):
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            try:
                if self._stream.is_connected and self._is_stream_ready:
                    await self._count()
                    if look % STREAM_LOOKS == 0:  # the cluster may be whole only now
                        await self._make_stream()
            except Exception as exc:  # the next look tries again
                _log.warning("lanes_not_counted", error=f"{type(exc).__name__}: {exc}")

    async def _count(self) -> None:
        consumers = await self._consumers()
        waiting = {one["name"]: int(one["num_pending"]) for one in consumers}
        in_hand = {one["name"]: int(one["num_ack_pending"]) for one in consumers}
        self._unknown = {token: self._unknown.get(token, 0) + 1 for token in waiting.keys() - self._lanes.keys()}
        for token, looks in self._unknown.items():
            if looks >= UNKNOWN_LOOKS:
                await self._remove(token)
        self._in_bulk.clear()
        self._depths = {lane.name: waiting.get(token, 0) for token, lane in self._lanes.items()}
        for name, depth in self._depths.items():
            if depth > self._max_messages:
                await self._empty(name, "full", in_hand[token_of(name)])

    async def _consumers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for _ in range(STREAM_LANES_MAX // CONSUMERS_A_PAGE + 1):
            page = await self._stream.api(f"CONSUMER.LIST.{self._name}", {"offset": len(found)})
            found += page["consumers"] or []
            if len(found) >= page["total"] or not page["consumers"]:
                break
        return found

    async def _remove(self, token: str) -> None:
        """A lane whose partner has left: what waits in it is for nobody."""
        await self._stream.api(f"CONSUMER.DELETE.{self._name}.{token}", {})
        await self._stream.api(f"STREAM.PURGE.{self._name}", {"filter": f"{self._subjects}.{token}.>"})

    def _depth(self, name: str) -> int:
        return self._depths.get(name, 0) + self._in_bulk.get(name, 0)

    def _has_room(self, name: str) -> bool:
        """Whether what comes in bulk would leave half of a lane to others."""
        has_room = self._depth(name) < self._max_messages // 2
        self._in_bulk[name] = self._in_bulk.get(name, 0) + has_room
        return has_room

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def chunks(lanes: Sequence[_Lane], most: int) -> Iterator[Sequence[_Lane]]:
    """The lanes, so many at a time."""
    return (lanes[start : start + most] for start in range(0, len(lanes), most))


def _only_name(parcels: Sequence[Parcel]) -> str:
    """The lane of parcels that are all for one; empty where they are for several: which of them were lost is not known."""
    names = {parcel.name for parcel in parcels}
    return names.pop() if len(names) == 1 else ""
