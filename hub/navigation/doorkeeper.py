"""Who may read maps and open formats, how fast, and how much in a day."""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
from collections import Counter, OrderedDict
from dataclasses import dataclass
from datetime import date, datetime

import structlog

from hub.clock import Clock
from hub.navigation.problems import ReadingFault
from hub.store.direct import Unavailable
from hub.store.readers import NewReader, Reader, Readers

KEY_PREFIX = "map_"
KEPT_MAX_READERS = 10_000
KNOWN_FOR_SECONDS = 10.0
COUNTED_EVERY_SECONDS = 5.0
BURST_SECONDS = 5
GUESSES_PER_SECOND = 2
"""Keys that nobody has, from one address: each is looked for in the database."""

_log = structlog.get_logger()


def new_key() -> str:
    """A key that nobody has."""
    return KEY_PREFIX + secrets.token_urlsafe(24)


def key_hash(key: str) -> bytes:
    """How a key is kept."""
    return hashlib.sha256(key.encode()).digest()


@dataclass(slots=True)
class Bucket:
    """Requests that may be made at once: it fills with time up to BURST_SECONDS of them. Seconds of a clock that never goes back."""

    per_second: float
    left: float
    at: float

    @classmethod
    def full(cls, per_second: float, now: float) -> Bucket:
        """A bucket that nobody took from yet."""
        return cls(per_second, per_second * BURST_SECONDS, now)

    def take(self, now: float) -> float:
        """Take one request; returns how many seconds too early that is, 0 where it is not."""
        early = self.early(now)
        if early == 0:
            self.left -= 1
        return early

    def early(self, now: float) -> float:
        """How many seconds too early a request is, 0 where it is not."""
        self.left = min(self.per_second * BURST_SECONDS, self.left + (now - self.at) * self.per_second)
        self.at = now
        return (1 - self.left) / self.per_second if self.left < 1 else 0.0


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: a reader with a key, or somebody at an address."""

    address: str
    reader: Reader | None

    @property
    def name(self) -> str:
        """What tells visitors apart."""
        return f"reader/{self.reader.id}" if self.reader else self.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How much those without a key may ask a second; 0: nothing."""

    anonymous_per_second: int


class Doorkeeper:
    """Lets visitors in, in one process of the hub; what readers asked in a day is added up over all of them."""

    def __init__(self, readers: Readers, clock: Clock, terms: Terms) -> None:
        self._readers, self._clock, self._terms = readers, clock, terms
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._known: OrderedDict[bytes, tuple[float, Reader | None]] = OrderedDict()
        self._new: Counter[int] = Counter()
        self._adding: Counter[int] = Counter()
        self._used: dict[int, int] = {}
        self._day = clock.now().date()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether those without a key may read."""
        return self._terms.anonymous_per_second > 0

    async def let_in(self, address: str, key: str | None) -> Visitor:
        """Who asks. Raises ReadingFault where that is nobody who may, or who may not ask again so soon."""
        visitor = Visitor(address, await self._reader(address, key) if key else None)
        if visitor.reader is None and not self.is_open:
            raise ReadingFault(401, "KEY_REQUIRED", "a key is required", headers={"WWW-Authenticate": "Bearer"})
        self._pace(visitor)
        if visitor.reader is not None:
            self._count(visitor.reader)
        return visitor

    # --- keys ---

    async def add(self, name: str, party: str, per_second: int, per_day: int) -> tuple[int, str]:
        """A new reader: its id and its key, which is told once."""
        key = new_key()
        new = NewReader(name=name, key_hash=key_hash(key), party=party, per_second=per_second, per_day=per_day)
        return await self._readers.add(new, self._clock.now()), key

    async def revoke(self, reader: int) -> bool:
        """Take a key back: at once here, within KNOWN_FOR_SECONDS in other processes."""
        self._known.clear()
        return await self._readers.revoke(reader, self._clock.now())

    async def all(self) -> list[tuple[Reader, int]]:
        """Every reader with how many requests it made today (UTC)."""
        used = await self._readers.usage(self._clock.now().date())
        return [(reader, used.get(reader.id, 0)) for reader in await self._readers.all()]

    async def one(self, reader: int) -> tuple[Reader, int] | None:
        """A reader, revoked or not, with how many requests it made today (UTC)."""
        found = await self._readers.one(reader)
        used = await self._readers.usage(self._clock.now().date())
        return None if found is None else (found, used.get(reader, 0))

    async def days(self, reader: int, most: int) -> list[tuple[date, int]]:
        """How many requests it made on each of its last days (UTC) with any, the newest first."""
        return await self._readers.days(reader, most)

    # --- in the background ---

    def start(self) -> None:
        """Add up what readers ask."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Add up the rest."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._add_up()

    async def _run(self) -> None:
        while True:
            await asyncio.shield(self._add_up())
            await asyncio.sleep(COUNTED_EVERY_SECONDS)

    async def _add_up(self) -> None:
        new, self._new, day = self._new, Counter(), self._day
        self._adding = new
        try:
            used = await self._readers.count(day, new)
        except (Unavailable, TimeoutError, OSError) as exc:
            _log.warning("requests_not_counted", error=type(exc).__name__)
            self._new += new
            return
        finally:
            self._adding = Counter()
        self._used = used
        if (today := self._clock.now().date()) != day:
            self._day, self._used = today, {}

    # --- one request ---

    async def _reader(self, address: str, key: str) -> Reader:
        hashed = key_hash(key)
        now = asyncio.get_running_loop().time()
        asked_at, reader = self._known.get(hashed, (-math.inf, None))
        if now - asked_at > KNOWN_FOR_SECONDS:
            self._refuse_guesses(address, now)
            reader = await self._readers.by_key(hashed)
            self._known[hashed] = (now, reader)
            _shorten(self._known)
        if reader is None:
            self._bucket(f"guesses/{address}", GUESSES_PER_SECOND).take(now)
            raise ReadingFault(401, "UNKNOWN_KEY", "nobody has this key", headers={"WWW-Authenticate": "Bearer"})
        return reader

    def _refuse_guesses(self, address: str, now: float) -> None:
        if (early := self._bucket(f"guesses/{address}", GUESSES_PER_SECOND).early(now)) > 0:
            headers = {"Retry-After": str(math.ceil(early))}
            raise ReadingFault(429, "TOO_FAST", "too many keys that nobody has came from this address", headers=headers)

    def _pace(self, visitor: Visitor) -> None:
        per_second = visitor.reader.per_second if visitor.reader else self._terms.anonymous_per_second
        if (early := self._bucket(visitor.name, per_second).take(asyncio.get_running_loop().time())) > 0:
            headers = {"Retry-After": str(math.ceil(early)), "RateLimit-Limit": str(per_second)}
            raise ReadingFault(429, "TOO_FAST", f"{per_second} requests a second are allowed", headers=headers)

    def _bucket(self, name: str, per_second: float) -> Bucket:
        bucket = self._buckets.get(name)
        if bucket is None or bucket.per_second != per_second:
            bucket = self._buckets[name] = Bucket.full(per_second, asyncio.get_running_loop().time())
            _shorten(self._buckets)
        self._buckets.move_to_end(name)
        return bucket

    def _count(self, reader: Reader) -> None:
        used = self._used.get(reader.id, 0) + self._adding[reader.id] + self._new[reader.id]
        if used >= reader.per_day:
            headers = {"Retry-After": str(_seconds_left(self._clock.now()))}
            raise ReadingFault(429, "QUOTA_USED_UP", f"{reader.per_day} requests a day are allowed", headers=headers)
        self._new[reader.id] += 1


def _seconds_left(now: datetime) -> int:
    """To the end of the day (UTC)."""
    return 86_400 - (now.hour * 3600 + now.minute * 60 + now.second)


def _shorten(kept: OrderedDict[str, Bucket] | OrderedDict[bytes, tuple[float, Reader | None]]) -> None:
    if len(kept) > KEPT_MAX_READERS:
        kept.popitem(last=False)
