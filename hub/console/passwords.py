"""Passwords as argon2id texts. It takes a tenth of a second on purpose, so it is done in a thread, a few at a time."""

from __future__ import annotations

import asyncio

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

AT_ONCE_MAX = 2  # each takes 64 MiB

_hasher = PasswordHash((Argon2Hasher(),))
_slots = asyncio.Semaphore(AT_ONCE_MAX)
_NOBODY = _hasher.hash("nobody has this password")


async def hashed(password: str) -> str:
    """What is kept of a password."""
    async with _slots:
        return await asyncio.to_thread(_hasher.hash, password)


async def is_right(password: str, kept: str | None) -> bool:
    """Whether a password is the one that is kept; takes as long where there is none to compare with."""
    async with _slots:
        is_same = await asyncio.to_thread(_hasher.verify, password, kept or _NOBODY)
    return bool(kept) and is_same
