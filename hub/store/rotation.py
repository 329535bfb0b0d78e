"""A new key for the outbound tokens: every sealed token is sealed again in one transaction, then the new key takes the old one's place.

No hub may run meanwhile, since it would go on with the old key. An interrupted rotation is completed by the next one: the new key
is on disk before a token is sealed with it, and a token that it opens already is left as it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from sqlmodel import col, select

from hub.store.database import Database
from hub.store.secrets import KEY_LENGTH_BYTES, Safe, sync_folder, write_whole
from hub.store.tables import PartnerRow

Reseal = Callable[[bytes], bytes]


class WrongKey(ValueError):
    """A sealed token opens with neither key."""


async def reseal_tokens(database: Database, reseal: Reseal) -> int:
    """Put every sealed token through `reseal`, all of them or none; returns how many there are. Raises what `reseal` raises."""
    statement = select(PartnerRow).where(col(PartnerRow.token_sealed).is_not(None)).with_for_update()
    async with database.transaction() as session:
        rows = (await session.exec(statement)).all()
        for row in rows:
            row.token_sealed = reseal(row.token_sealed or b"")
    return len(rows)


async def require_key(database: Database, key: bytes) -> None:
    """Raises WrongKey when there is a sealed token that a key does not open."""
    safe, statement = Safe(key), select(PartnerRow.token_sealed).where(col(PartnerRow.token_sealed).is_not(None))
    async with database.transaction() as session:
        sealed = (await session.exec(statement)).all()
    if not all(_opens(safe, token or b"") for token in sealed):
        raise WrongKey(
            "the secret key is not the one with which the tokens in the database are sealed: every process of a hub needs "
            "the same HUB_SECRET_KEY, or the same secret.key in its data folder"
        )


def resealing(old_key: bytes, new_key: bytes) -> Reseal:
    """From the old key to the new one; what the new one opens stays as it is. Raises WrongKey."""
    old, new = Safe(old_key), Safe(new_key)

    def reseal(sealed: bytes) -> bytes:
        if _opens(new, sealed):
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


def _opens(safe: Safe, sealed: bytes) -> bool:
    try:
        safe.open(sealed)
    except InvalidTag:
        return False
    return True


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.new")
