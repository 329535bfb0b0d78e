"""A settled month many times over: the rows of a small one that was really settled, copied under other ids until there are enough.

What people look at costs what it costs by the number of rows, not by how they came to be; settling a million takes a quarter of an hour,
copying them a few minutes. Balances and pairs are those of the small month, times the copies. Findings are copied until there are as many
as one wants: the small month is full of mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from tests.benchmarks.stage import plain_url

# table: what is another value in copy n of a row; the order is that of the references
_CHANGED: Mapping[str, Mapping[str, str]] = {
    "claim": {"cdr_key": "{0} || '-copy-' || n", "cdr_id": "{0} || '-copy-' || n"},
    "copy": {"key": "{0} || '-copy-' || n"},
    "completed_session": {"session_key": "{0} || '-copy-' || n"},
    "verdict": {
        "cdr_key": "{0} || '-copy-' || n",
        "cdr_id": "{0} || '-copy-' || n",
        "session_key": "{0} || '-copy-' || n",
        "found_session": "{0} || '-copy-' || n",
        "credit_of": "{0} || '-copy-' || n",
        "plug": "{0} || '-copy-' || n",
        "token": "{0} || '-copy-' || n",
    },
    "finding": {"key": "{0} || '-copy-' || n"},
    "finding_cdr": {"finding": "{0} || '-copy-' || n", "cdr_key": "{0} || '-copy-' || n"},
    "journal_entry": {"id": "{0} + n * width", "key": "{0} || '-copy-' || n", "reference": "{0} || '-copy-' || n"},
    "posting": {"entry": "{0} + n * width"},
}
_FINDINGS = ("finding", "finding_cdr")
_ONLY = {"copy": "where module in ('cdrs', 'sessions')"}
_NUMBERED = ("copy", "posting")
"""Tables whose rows get a number of their own."""


def multiply(url: str, times: int, findings_most: int) -> None:
    """Make a month that is settled so many times as large, with so many findings at most (but those that it has)."""
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute("set statement_timeout = 0")
        width = connection.execute("select coalesce(max(id), 0) from journal_entry").fetchone()
        found = connection.execute("select count(*) from finding").fetchone()
        with_findings = min(times, findings_most // max(1, found[0] if found else 0)) - 1
        for table, changed in _CHANGED.items():
            copies = with_findings if table in _FINDINGS else times - 1
            statement = _copied(connection, table, changed)
            connection.execute(statement, {"copies": copies, "width": width and width[0]})
        connection.execute(
            "select setval(pg_get_serial_sequence('journal_entry', 'id'), (select max(id) from journal_entry))"
        )
        connection.execute("vacuum (analyze)")


def _copied(connection: psycopg.Connection[Any], table: str, changed: Mapping[str, str]) -> sql.Composed:
    rows = connection.execute(
        "select attname, attidentity <> '' from pg_attribute "
        "where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum",
        [table],
    ).fetchall()
    names = [name for name, _ in rows if not (table in _NUMBERED and name in {"id", "seq"})]
    values = [sql.SQL(changed.get(name, "{0}").format(f'o."{name}"')) for name in names]
    is_numbered = any(is_identity and name in names for name, is_identity in rows)
    return sql.SQL("insert into {table} ({names}) {over} select {values} from {table} o, {copies} {only}").format(
        table=sql.Identifier(table),
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
        over=sql.SQL("overriding system value" if is_numbered else ""),
        values=sql.SQL(", ").join(values),
        copies=sql.SQL("generate_series(1, %(copies)s) n, (select %(width)s::bigint as width) w"),
        only=sql.SQL(_ONLY.get(table, "")),
    )
