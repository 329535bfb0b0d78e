"""A new key for what is sealed (outbound tokens, addresses of alerts): all is sealed again in one transaction, then the new key takes
the old one's place.

No hub may run meanwhile, since it would go on with the old key. An interrupted rotation is completed by the next one: the new key
is on disk before a token is sealed with it, and a token that it opens already is left as it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from sqlalchemy import text

from hub.store.database import Database, execute
from hub.store.secrets import KEY_LENGTH_BYTES, Safe, sync_folder, write_whole

SEALED = (("partner", "token_sealed"), ("alert_channel", "address_sealed"))
"""Tables (with an `id`) and their columns that hold something sealed, or nothing."""

Reseal = Callable[[bytes], bytes]


class WrongKey(ValueError):
    """A sealed token opens with neither key."""


async def reseal_tokens(database: Database, reseal: Reseal) -> int:
    """Put everything that is sealed through `reseal`, all of it or nothing; returns how much there is. Raises what `reseal` raises."""
    count = 0
    async with database.transaction() as session:
        for table, column in SEALED:
            asked = text(f"select id, {column} as sealed from {table} where {column} is not null for update")
            kept = text(f"update {table} set {column} = :sealed where id = :id")
            rows = await execute(session, asked, {})
            for row in rows:
                await execute(session, kept, {"id": row.id, "sealed": reseal(bytes(row.sealed))})
            count += len(rows)
    return count


async def require_key(database: Database, key: bytes) -> None:
    """Raises WrongKey when there is something sealed that a key does not open."""
    safe, sealed = Safe(key), list[bytes]()
    async with database.transaction() as session:
        for table, column in SEALED:
            rows = await execute(
                session, text(f"select {column} as sealed from {table} where {column} is not null"), {}
            )
            sealed += [bytes(row.sealed) for row in rows]
    if not all(opens(safe, one) for one in sealed):
        raise WrongKey(
            "the secret key is not the one with which the tokens in the database are sealed: every process of a hub needs "
            "the same HUB_SECRET_KEY, or the same secret.key in its data folder"
        )


def resealing(old_key: bytes, new_key: bytes) -> Reseal:
    """From the old key to the new one; what the new one opens stays as it is. Raises WrongKey."""
    old, new = Safe(old_key), Safe(new_key)

    def reseal(sealed: bytes) -> bytes:
        if opens(new, sealed):
            return sealed
        try:
            return new.seal(old.open(sealed))
        except InvalidTag as exc:
            raise WrongKey("the old key is not the one with which the tokens in the database are sealed") from exc

    return reseal


def read_key(file: Path) -> bytes:
    """The key in a file. Raises ValueError when there is none."""
    key = file.read_bytes().strip() if file.is_file() else b""
    if not key:
        raise ValueError(f"{file} holds no key")
    return key


def prepare_key(file: Path) -> bytes:
    """The key that is to stand in `file`: made beside it (0600), or the one that an interrupted rotation left there."""
    beside = _beside(file)
    if not beside.exists():
        write_whole(beside, secrets.token_hex(KEY_LENGTH_BYTES).encode())
    return read_key(beside)


def adopt_key(file: Path) -> None:
    """Put the prepared key in the place of the old one, at once and for good."""
    _beside(file).replace(file)
    sync_folder(file.parent)


def opens(safe: Safe, sealed: bytes) -> bool:
    """Whether a key opens something that is sealed."""
    try:
        safe.open(sealed)
    except InvalidTag:
        return False
    return True


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.new")
