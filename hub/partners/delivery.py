"""What all lanes have in common: what is put into one, and how an answer or a failure at its end is judged.

Lanes may live in this process (`lanes.py`) or be carried from process to process (`streamlanes.py`); whether a receiver is still there
is decided here for both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import structlog

from hub.partners.client import Answer, Call
from hub.partners.directory import Directory, Partner
from ocpi_modules.envelope import is_plain_success, read_envelope
from ocpi_modules.errors import ReceiverNotConnected, ReceiverTimeout, RoutingFault

TIMEOUTS_IN_A_ROW_MAX = 3
LAGGING_SECONDS = 1.0
SAID_MAX_BYTES = 200

_log = structlog.get_logger()

Send = Callable[[Call], Awaitable[Answer]]
Lost = Callable[[Partner], Awaitable[None]]
Heard = Callable[[Partner], None]


class Update(NamedTuple):
    """What a call updates: an object, and the fields of it that are set to new values whatever they were before."""

    target: Hashable
    fields: frozenset[str]


@dataclass(slots=True, kw_only=True)
class Parcel:
    """A call for the lane `name`. What is `is_bulk` leaves half of a lane to others.

    `supersedes` says what the call updates: waiting updates of the same have become pointless. `once` is an id under which it is
    delivered once, however many processes put it into the lane.
    """

    name: str
    partner: Partner
    call: Call
    is_bulk: bool = False
    supersedes: Update | None = None
    once: str = ""


@dataclass(frozen=True, slots=True)
class LaneState:
    """How a lane is: calls that wait in it, how long the oldest of them has, and what it lost since the start of the process."""

    waiting: int = 0
    oldest_seconds: float = 0.0
    dropped: int = 0
    superseded: int = 0

    def __add__(self, other: LaneState) -> LaneState:
        """Two lanes as one, or what two processes say of the same one."""
        return LaneState(
            self.waiting + other.waiting,
            max(self.oldest_seconds, other.oldest_seconds),
            self.dropped + other.dropped,
            self.superseded + other.superseded,
        )


@dataclass(slots=True)
class Tally:
    """What lanes lost since the start of the process, by lane; under the empty name what cannot be told apart."""

    dropped: Counter[str] = field(default_factory=Counter)
    superseded: Counter[str] = field(default_factory=Counter)

    def states(self, waiting: Mapping[str, int], oldest_seconds: Mapping[str, float]) -> dict[str, LaneState]:
        """Every lane of which there is something to say."""
        names = waiting.keys() | self.dropped.keys() | self.superseded.keys()
        return {
            name: LaneState(
                waiting.get(name, 0), oldest_seconds.get(name, 0.0), self.dropped[name], self.superseded[name]
            )
            for name in names
        }


class LanesPort(Protocol):
    """Lanes, wherever they live."""

    @property
    def dropped_messages(self) -> int:
        """How many calls were dropped since the start."""
        ...

    @property
    def superseded_messages(self) -> int:
        """How many calls a newer one made pointless since the start."""
        ...

    def push(self, parcel: Parcel) -> None:
        """Put a call at the end of its lane and return at once."""
        ...

    async def push_all(self, parcels: Sequence[Parcel]) -> None:
        """Put calls at the ends of their lanes, in this order; returns when they are there, or are given up and counted as dropped.

        Never raises and never takes long: what a lane loses, its receiver fetches from the copies.
        """
        ...

    def depths(self) -> dict[str, int]:
        """How many calls wait, by lane."""
        ...

    async def states(self) -> dict[str, LaneState]:
        """How every lane is, as far as this process knows."""
        ...

    async def room(self, messages: int) -> None:
        """Wait a bounded time until every lane can take so many more in bulk."""
        ...

    def on_change(self, before: Directory, now: Directory) -> None:
        """A listener of the roster."""
        ...

    async def start(self) -> None:
        """Begin to deliver."""
        ...

    def lead(self) -> None:
        """Do for all lanes what one process at a time does."""
        ...

    async def follow(self) -> None:
        """Leave that to another process."""
        ...

    async def close(self, drain_seconds: float) -> None:
        """Let what is under way end, but no longer than this, and take nothing more."""
        ...


@dataclass(slots=True)
class Streak:
    """How many timeouts a receiver had in a row."""

    timeouts: int = 0


class Deliverer:
    """Sends the calls of lanes and judges what comes of it."""

    def __init__(self, send: Send, heard: Heard) -> None:
        self._send, self._heard = send, heard

    async def deliver(self, parcel: Parcel, streak: Streak) -> bool:
        """Send a call once; whether its receiver is still there (R-16, R-17). Raises nothing that belongs to a receiver."""
        try:
            answer = await self._send(parcel.call)
        except RoutingFault as fault:
            _log.warning(
                "not_delivered", lane=parcel.name, reason=fault.message, correlation_id=_correlation_id(parcel)
            )
            return is_there_after(fault, streak)
        streak.timeouts = 0
        self._heard(parcel.partner)
        _log_answer(parcel, answer)
        return True


def is_there_after(fault: RoutingFault, streak: Streak) -> bool:
    """Whether a receiver is still there after a failure: not when it cannot be reached, nor after TIMEOUTS_IN_A_ROW_MAX timeouts."""
    streak.timeouts = streak.timeouts + 1 if isinstance(fault, ReceiverTimeout) else 0
    if isinstance(fault, ReceiverNotConnected) or streak.timeouts >= TIMEOUTS_IN_A_ROW_MAX:
        streak.timeouts = 0
        return False
    return True


def _log_answer(parcel: Parcel, answer: Answer) -> None:
    refusal = refusal_in(answer)
    if refusal is not None:
        place = parcel.call.place
        what = {
            "method": parcel.call.method,
            "module": place.module_id if place else "",
            "path": place.suffix if place else "",
        }
        _log.warning(
            "refused",
            lane=parcel.name,
            **what,
            http=answer.http_status,
            said=refusal,
            correlation_id=_correlation_id(parcel),
        )


def _correlation_id(parcel: Parcel) -> str:
    return parcel.call.headers.get("X-Correlation-ID", "")


def refusal_in(answer: Answer) -> str | None:
    """What a receiver said that did not take a message; None when it took it, or did not say that it did not."""
    if answer.http_status < 300 and is_plain_success(answer.body):
        return None
    envelope = read_envelope(answer.body) if answer.body.strip() else None
    if answer.http_status < 300 and (envelope is None or envelope.is_success):
        return None
    if envelope is None:
        return answer.body[:SAID_MAX_BYTES].decode("utf-8", "replace") or "nothing"
    return f"{envelope.status_code} {envelope.status_message or ''}".strip()


def partner_lane(partner: Partner) -> str:
    """The lane of what is for a platform as a whole, not for one of its parties."""
    return f"partner {partner.id}"
