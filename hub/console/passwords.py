"""Passwords as argon2id texts. It takes a tenth of a second on purpose, so it is done in a thread, a few at a time."""

from __future__ import annotations

import asyncio
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

AT_ONCE_MAX = 2  # each takes 64 MiB

hasher = PasswordHash((Argon2Hasher(),))
_slots = asyncio.Semaphore(AT_ONCE_MAX)


async def hashed(password: str) -> str:
    """What is kept of a password."""
    async with _slots:
        return await asyncio.to_thread(hasher.hash, password)


async def is_right(password: str, kept: str | None) -> bool:
    """Whether a password is the one that is kept; takes as long where there is none to compare with."""
    async with _slots:
        return await asyncio.to_thread(_is_right, password, kept)


def _is_right(password: str, kept: str | None) -> bool:
    nobodys = _of_nobody()  # made for everybody's first try: who has no account does not wait longer for it
    return hasher.verify(password, kept or nobodys) and bool(kept)


@cache
def _of_nobody() -> str:
    return hasher.hash("nobody has this password")
