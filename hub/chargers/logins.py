"""Whether a station is who it says it is: passwords are compared slowly once, and known again quickly."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from hub.chargers.events import Login, Refusal
from hub.chargers.sites import Passwords
from hub.store.chargestations import KeptStation

RIGHT_KEPT_MAX_STATIONS = 20_000
ADDRESSES_MAX = 10_000
WRONG_PER_MINUTE_MAX = 30
"""Wrong passwords from one address; beyond it no other password is compared for the rest of the minute."""

_MINUTE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """None lets a station in; `is_next`: by the secret that was offered to it last."""

    refusal: Refusal | None
    is_next: bool = False


@dataclass(slots=True)
class _Wrong:
    since: float
    count: int = 0


@dataclass(slots=True)
class Logins:
    """Judges logins; `monotonic` tells seconds."""

    passwords: Passwords
    monotonic: Callable[[], float]
    _right: OrderedDict[str, tuple[bytes, str]] = field(default_factory=OrderedDict)
    _wrong: OrderedDict[str, _Wrong] = field(default_factory=OrderedDict)

    async def judge(self, station: KeptStation, login: Login | None, remote: str) -> Judgement:
        """Whether a station that is let in has shown that it is the one."""
        if login is None:
            is_open = not station.secret_hash and is_loopback(remote)
            return Judgement(None if is_open else Refusal.NO_LOGIN)
        if login.user != station.identity:
            return Judgement(Refusal.WRONG_LOGIN)
        if login.is_certified:
            return Judgement(None)
        return await self._compare(station, login.password, remote)

    async def _compare(self, station: KeptStation, password: str, remote: str) -> Judgement:
        digest = hashlib.sha256(password.encode()).digest()
        known, kept = self._right.get(station.identity, (b"", ""))
        is_known = hmac.compare_digest(known, digest)
        for is_next, secret in ((False, station.secret_hash), (True, station.next_secret_hash)):
            if secret and is_known and kept == secret:
                return Judgement(None, is_next)
        if self._is_guessing(remote):
            return Judgement(Refusal.WRONG_LOGIN)
        for is_next, secret in ((False, station.secret_hash), (True, station.next_secret_hash)):
            if secret and await self.passwords.is_right(password, secret):
                self._remember(station.identity, digest, secret)
                return Judgement(None, is_next)
        self._count(remote)
        return Judgement(Refusal.WRONG_LOGIN)

    def _remember(self, identity: str, digest: bytes, kept: str) -> None:
        self._right[identity] = (digest, kept)
        self._right.move_to_end(identity)
        if len(self._right) > RIGHT_KEPT_MAX_STATIONS:
            self._right.popitem(last=False)

    def _is_guessing(self, remote: str) -> bool:
        wrong = self._wrong.get(remote)
        if wrong is not None and self.monotonic() - wrong.since >= _MINUTE_SECONDS:
            del self._wrong[remote]
            return False
        return wrong is not None and wrong.count >= WRONG_PER_MINUTE_MAX

    def _count(self, remote: str) -> None:
        wrong = self._wrong.setdefault(remote, _Wrong(self.monotonic()))
        wrong.count += 1
        if len(self._wrong) > ADDRESSES_MAX:
            self._wrong.popitem(last=False)


def is_loopback(remote: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ip_address(remote).is_loopback
    except ValueError:
        return False
