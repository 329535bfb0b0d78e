"""People who use the console: accounts, their sessions, links that are good once, and the log of what they did.

Secrets (session cookies, links) are kept as SHA-256 only, passwords as argon2 texts that somebody else makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hub.store.books import LISTED_MAX
from hub.store.direct import Connection, Direct
from hub.store.ordering import Order, Part, Parts, Place, Placed, placed
from hub.store.where import Clause, where
from ocpi_modules.types import encode_json

ACCOUNTS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAccount:
    """An account; `password` is an argon2 text, empty where one signs in elsewhere; `roles` are divided by spaces; `zone` is
    empty until a browser tells it.
    """

    id: int
    name: str
    shown_name: str
    password: str
    roles: str
    zone: str
    subject: str | None
    is_active: bool
    created_at: datetime
    seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to be made; `subject` names it at an identity provider."""

    name: str
    shown_name: str
    roles: str
    password: str = ""
    zone: str = ""
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """Something that somebody did, at a moment (UTC); `details` is JSON text."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    details: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What is to be written into the audit log."""

    actor: str
    action: str
    target: str = ""
    details: Mapping[str, Any] | None = None
    address: str = ""


AUDIT_SORTS: Mapping[str, Parts] = {"when": (Part("id", "bigint"),)}
AUDIT_NEWEST_FIRST = Order(AUDIT_SORTS["when"], is_descending=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditAsked:
    """Which lines of the audit log are wanted, None for all; `after` is a place in their order."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    order: Order = AUDIT_NEWEST_FIRST
    after: Place | None = None


class Accounts:
    """The tables of accounts."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def count(self) -> int:
        """How many accounts can be signed in to."""
        (row,) = await self._direct.fetch("select count(*) as n from account where is_active")
        return int(row["n"])

    async def all(self) -> list[KeptAccount]:
        """All accounts by name."""
        return [
            KeptAccount(**row) for row in await self._direct.fetch(f"{_ACCOUNT} order by name limit {ACCOUNTS_MAX}")
        ]

    async def named(self, name: str) -> KeptAccount | None:
        """The account of a name."""
        return await self._one("where name = $1", name)

    async def of_subject(self, subject: str) -> KeptAccount | None:
        """The account of somebody whom an identity provider knows."""
        return await self._one("where subject = $1", subject)

    async def of_session(
        self, digest: bytes, now: datetime, idle: timedelta, *, is_use: bool = True
    ) -> KeptAccount | None:
        """Whose session it is; None where it is over. Its being used is noted once a minute."""
        rows = await self._direct.fetch(_OF_SESSION, digest, now, now - idle)
        if not rows:
            return None
        row = dict(rows[0])
        if row.pop("used_at") < now - timedelta(minutes=1) and is_use:
            await self._execute(_TOUCH, digest, now)
        return KeptAccount(**row)

    async def add(self, new: NewAccount, deed: Deed, now: datetime) -> int | None:
        """Make an account; None where the name or the subject is taken."""
        async with self._direct.transaction() as connection:
            values = (new.name, new.shown_name, new.password, new.roles, new.zone, new.subject, now)
            rows = await connection.fetch(_ADD, *values)
            if rows:
                await write_deed(connection, deed, now)
            return int(rows[0]["id"]) if rows else None

    async def change(self, account: KeptAccount, deed: Deed, now: datetime) -> None:
        """Keep an account as it is now; its sessions end where it cannot be signed in to any more, or its password is another one."""
        async with self._direct.transaction() as connection:
            values = (
                account.shown_name,
                account.password,
                account.roles,
                account.zone,
                account.is_active,
                account.subject,
                account.id,
            )
            await connection.execute(_END_CHANGED, account.id, account.password, account.is_active, now)
            await connection.execute(_CHANGE, *values)
            await write_deed(connection, deed, now)

    async def set_zone(self, account: int, zone: str) -> None:
        """Times are shown in a zone from now on."""
        await self._execute("update account set zone = $2 where id = $1", account, zone)

    async def begin_session(self, digest: bytes, account: int, ends_at: datetime, deed: Deed, now: datetime) -> None:
        """Somebody signs in."""
        async with self._direct.transaction() as connection:
            await connection.execute("delete from console_session where ends_at < $1", now)
            await connection.execute(_BEGIN, digest, account, now, ends_at)
            await connection.execute("update account set seen_at = $2 where id = $1", account, now)
            await write_deed(connection, deed, now)

    async def end_session(self, digest: bytes, deed: Deed, now: datetime) -> None:
        """Somebody signs out."""
        async with self._direct.transaction() as connection:
            if await connection.fetch("delete from console_session where digest = $1 returning digest", digest):
                await write_deed(connection, deed, now)

    async def make_link(self, digest: bytes, purpose: str, account: int | None, ends_at: datetime) -> None:
        """A link that is good once; those for the same purpose and account that were not used are void."""
        async with self._direct.transaction() as connection:
            await connection.execute(
                "delete from console_link where purpose = $1 and account is not distinct from $2", purpose, account
            )
            await connection.execute(
                "insert into console_link values ($1, $2, $3, $4)", digest, purpose, account, ends_at
            )

    async def link(self, digest: bytes, now: datetime) -> tuple[str, KeptAccount | None] | None:
        """What a link is good for, and for which account; None where it is used, void or too old."""
        rows = await self._direct.fetch(
            "select purpose, account from console_link where digest = $1 and ends_at > $2", digest, now
        )
        if not rows:
            return None
        account = rows[0]["account"]
        return rows[0]["purpose"], None if account is None else await self._one("where id = $1", account)

    async def use_link(self, digest: bytes, now: datetime) -> bool:
        """Use a link up; False where somebody did already."""
        async with self._direct.transaction() as connection:
            rows = await connection.fetch(
                "delete from console_link where digest = $1 and ends_at > $2 returning digest", digest, now
            )
            return bool(rows)

    async def failures(self, name: str, address: str, since: datetime) -> tuple[int, int]:
        """How often signing in failed since a moment: for a name, and from an address."""
        (row,) = await self._direct.fetch(_FAILURES, name, address, since)
        return int(row["of_name"]), int(row["of_address"])

    async def note(self, deed: Deed, now: datetime) -> None:
        """Write something into the audit log."""
        async with self._direct.transaction() as connection:
            await write_deed(connection, deed, now)

    async def audit(self, asked: AuditAsked, most: int) -> list[Placed[AuditLine]]:
        """The audit log."""
        clauses: list[Clause] = [(f"{name} = ?", getattr(asked, name)) for name in ("actor", "action", "target")]
        condition, values = where([*clauses, asked.order.behind(asked.after)])
        statement = (
            f"select {', '.join(_AUDIT_COLUMNS)}, {asked.order.place} from audit_entry {condition} "
            f"order by {asked.order.by} limit {min(most, LISTED_MAX)}"
        )
        return placed(
            await self._direct.fetch(statement, *values),
            lambda row: AuditLine(**{name: row[name] for name in _AUDIT_COLUMNS}),
        )

    async def _one(self, condition: str, *values: Any) -> KeptAccount | None:
        rows = await self._direct.fetch(f"{_ACCOUNT} {condition}", *values)
        return KeptAccount(**rows[0]) if rows else None

    async def _execute(self, statement: str, *values: Any) -> None:
        async with self._direct.transaction() as connection:
            await connection.execute(statement, *values)


async def write_deed(connection: Connection, deed: Deed, now: datetime) -> None:
    """Write into the audit log, in the transaction of what is done."""
    details = encode_json(deed.details or {}).decode()
    await connection.execute(_NOTE, now, deed.actor, deed.action, deed.target, details, deed.address)


_AUDIT_COLUMNS: Sequence[str] = (*AuditLine.__dataclass_fields__,)
_COLUMNS: Sequence[str] = (*KeptAccount.__dataclass_fields__,)
_ACCOUNT = f"select {', '.join(_COLUMNS)} from account"
_ADD = (
    "insert into account (name, shown_name, password, roles, zone, subject, created_at, is_active) "
    "values ($1, $2, $3, $4, $5, $6, $7, true) on conflict do nothing returning id"
)
_CHANGE = "update account set shown_name = $1, password = $2, roles = $3, zone = $4, is_active = $5, subject = $6 where id = $7"
_END_CHANGED = (
    "delete from console_session s using account a where s.account = a.id and a.id = $1 "
    "and (a.password <> $2 or not $3 or s.ends_at < $4)"
)
_BEGIN = "insert into console_session (digest, account, began_at, used_at, ends_at) values ($1, $2, $3, $3, $4)"
_OF_SESSION = (
    f"select {', '.join(f'a.{name}' for name in _COLUMNS)}, s.used_at from console_session s join account a on a.id = s.account "
    "where s.digest = $1 and a.is_active and s.ends_at > $2 and s.used_at > $3"
)
_TOUCH = "update console_session set used_at = $2 where digest = $1"
_NOTE = "insert into audit_entry (at, actor, action, target, details, address) values ($1, $2, $3, $4, $5, $6)"
_FAILURES = (
    "select count(*) filter (where target = $1) as of_name, count(*) filter (where address = $2) as of_address "
    "from audit_entry where action = 'sign_in_failed' and at > $3 and (target = $1 or address = $2)"
)
