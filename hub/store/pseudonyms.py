"""The table of pseudonyms: what stands under seals in the place of personal values, and the salts, which can be erased.

A value has another salt in each scope (a period), so that what is forgotten in one cannot be found through another.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from secrets import token_bytes

from hub.store.aliases import ALIAS_BYTES, ERASED
from hub.store.direct import Connection, Direct
from ocpi_modules.types import fold

SALT_BYTES = 32


class Pseudonyms:
    """Reads and makes pseudonyms."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def digests(self, scope: str, values: Collection[str]) -> dict[str, str]:
        """What stands for each value in a scope (hexadecimal digits), made now where there is nothing yet."""
        async with self._direct.transaction() as connection:
            return await digests_of(connection, scope, values)


async def digests_of(connection: Connection, scope: str, values: Collection[str]) -> dict[str, str]:
    """What stands for each value in a scope, on a connection that has a transaction."""
    rows = await _made(connection, scope, {fold(value) for value in values})
    return {value: rows[fold(value)][0] for value in values}


async def scoped_aliases(connection: Connection, scope: str, values: Collection[str]) -> dict[str, str]:
    """Names for folded values that are to be forgotten in one scope; the same ones until `drop_salts`."""
    rows = await _made(connection, scope, values)
    aliases = {value: _alias(value, salt) for value, (_, salt) in rows.items()}
    digests = [rows[value][0] for value in aliases]
    await connection.execute(_ADD_NAMES, scope, list(aliases.values()), digests)
    return aliases


async def drop_salts(connection: Connection, scope: str) -> None:
    """Forget the values of a scope, but for tokens that people decided about: what stands for them stays under their new names."""
    await connection.execute(_DROP, scope)


async def rename_everywhere(connection: Connection, names: Mapping[str, str], shared: Collection[str]) -> None:
    """Give folded values new names in all scopes, and forget them and their salts, but for those that others share."""
    await connection.execute(_COPY_NAMES, list(names), list(names.values()))
    gone = [value for value in names if value not in shared]
    await connection.execute("delete from pseudonym where value = any($1::text[])", gone)


async def _made(connection: Connection, scope: str, values: Collection[str]) -> dict[str, tuple[str, bytes]]:
    ordered = sorted(values)
    salts = [token_bytes(SALT_BYTES) for _ in ordered]
    digests = [sha256(salt + value.encode()).hexdigest() for value, salt in zip(ordered, salts, strict=True)]
    await connection.execute(_ADD, scope, ordered, salts, digests)
    statement = "select value, salt, digest from pseudonym where scope = $1 and value = any($2::text[])"
    rows = await connection.fetch(statement, scope, ordered)
    return {row["value"]: (row["digest"], row["salt"] or b"") for row in rows}


def _alias(value: str, salt: bytes) -> str:
    """A name that only the salt leads back from."""
    return f"{ERASED}{sha256(b'alias' + salt + value.encode()).digest()[:ALIAS_BYTES].hex().upper()}"


_ADD = (
    "insert into pseudonym (scope, value, salt, digest) select $1, * from unnest($2::text[], $3::bytea[], $4::text[]) "
    "on conflict (scope, value) do nothing"
)
_DROP = (
    "delete from pseudonym p where p.scope = $1 and p.salt is not null and not exists (select 1 from decision d "
    "where d.scope = 'cause' and right(d.target, length(p.value) + 7) = '|token|' || p.value)"
)
_ADD_NAMES = (
    "insert into pseudonym (scope, value, salt, digest) select $1, k.name, null, k.digest "
    "from unnest($2::text[], $3::text[]) k(name, digest) on conflict (scope, value) do nothing"
)
_COPY_NAMES = (
    "insert into pseudonym (scope, value, salt, digest) select p.scope, k.name, null, p.digest from pseudonym p "
    "join unnest($1::text[], $2::text[]) k(value, name) on k.value = p.value on conflict (scope, value) do nothing"
)
