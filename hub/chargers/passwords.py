"""Passwords of charge points as argon2id texts, made and compared in a thread, a few at a time.

They cost a sixth of what those of people do: a machine made them, or at least sixteen characters are asked for, and after a restart of the
hub hundreds of charge points come back within a minute. What they cost is the least that OWASP asks for (Password Storage Cheat Sheet:
19 MiB, two passes, one lane). A text tells its own cost: dearer ones from before are still compared.
"""

from __future__ import annotations

import asyncio

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

AT_ONCE_MAX = 2
MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1

hasher = PasswordHash((Argon2Hasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES),))
_slots = asyncio.Semaphore(AT_ONCE_MAX)


async def hashed(password: str) -> str:
    """What is kept of a password."""
    async with _slots:
        return await asyncio.to_thread(hasher.hash, password)


async def is_right(password: str, kept: str | None) -> bool:
    """Whether a password is the one that is kept; never where none is."""
    if not kept:
        return False
    async with _slots:
        return await asyncio.to_thread(hasher.verify, password, kept)
