"""A month of charges as the rows that the hub keeps of it: copies, versions, claims, completed Sessions, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from typing import Any

import psycopg
from pydantic import ValidationError

from hub.store.changes import claim_of
from hub.store.pack import pack
from hub.store.tables import ClaimRow, CompletedSessionRow, CopyCountRow, CopyRow, VersionRow
from hub.store.traces import trace_of
from ocpi_modules.catalog import MODULES
from ocpi_modules.cdrs import CDR
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json, encode_decoded, fold
from tests.benchmarks.charges import Object
from tests.benchmarks.month import SAID, Charge, Month
from tests.benchmarks.stage import plain_url

PORTION_CHARGES = 5_000
SEEDERS = 2  # processes

COPY = {
    "module": "text",
    "country_code": "text",
    "party_id": "text",
    "key": "text",
    "variant": "text",
    "audience": "text",
    "addressee": "text",
    "last_updated": "timestamptz",
    "packed": "bytea",
    "pushed_at": "timestamptz",
}
NAMES = {name: COPY[name] for name in ("module", "country_code", "party_id", "key", "variant", "audience")}
VERSION = NAMES | {"since": "timestamptz", "known_at": "timestamptz", "packed": "bytea"}
CLAIM = {
    "creditor": "text",
    "cdr_key": "text",
    "cdr_id": "text",
    "debtor": "text",
    "currency": "text",
    "excl_vat": "numeric",
    "incl_vat": "numeric",
    "is_credit": "bool",
    "end_date_time": "timestamptz",
    "accepted_at": "timestamptz",
    "failures": "int4",
    "is_judged": "bool",
}
COMPLETED = {
    "creditor": "text",
    "session_key": "text",
    "debtor": "text",
    "completed_at": "timestamptz",
    **dict.fromkeys(("token", "evse", "reference"), "text"),
    "starts_at": "timestamptz",
}
COUNTED = {name: COPY[name] for name in ("module", "country_code", "party_id", "audience", "addressee")}
COUNT = COUNTED | {"slot": "int4", "n": "int8"}

Row = tuple[Any, ...]
Counts = Counter[tuple[str, str, str, str]]
"""How many copies there are by module, owner and addressee."""


def seed(url: str, charges: int) -> None:
    """Fill a database that has all tables with a month of so many charges."""
    counts = _furnish(url, Month(charges))
    portions = [(url, charges, first) for first in range(0, charges, PORTION_CHARGES)]
    with ProcessPoolExecutor(SEEDERS, mp_context=get_context("spawn")) as seeders:
        for more in seeders.map(_seed_portion, portions):
            counts += more
    copy_in(url, str(CopyCountRow.__tablename__), COUNT, ((*key[:3], "", key[3], 0, n) for key, n in counts.items()))
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute("vacuum (analyze)")  # as a hub has done it in the course of a month


def copy_in(url: str, table: str, columns: dict[str, str], rows: Iterable[Row]) -> None:
    """Put rows into a table; `columns` are their names and types."""
    statement = f"copy {table} ({', '.join(columns)}) from stdin (format binary)".encode()
    with psycopg.connect(plain_url(url), autocommit=True) as connection, connection.cursor().copy(statement) as copy:
        copy.set_types([*columns.values()])
        for row in rows:
            copy.write_row(row)


def _furnish(url: str, month: Month) -> Counts:
    said = datetime.fromisoformat(SAID)
    locations = [("locations", location) for _, location in month.locations()]
    versioned = [("tariffs", tariff) for cpo in month.cpos for tariff in cpo.tariffs]
    versioned += [("tokens", token) for _, token in month.tokens()]
    rows = [_copy_row(module, content, "", said) for module, content in (*locations, *versioned)]
    copy_in(url, str(CopyRow.__tablename__), COPY, rows)
    copy_in(url, str(VersionRow.__tablename__), VERSION, map(_version_row, rows[len(locations) :]))
    return Counter((row[0], row[1], row[2], "") for row in rows)


def _seed_portion(portion: tuple[str, int, int]) -> Counts:
    url, charges, first = portion
    month = Month(charges)
    some = [month.charge(number) for number in range(first, min(charges, first + PORTION_CHARGES))]
    copies = [*_copies(some)]
    copy_in(url, str(CopyRow.__tablename__), COPY, copies)
    copy_in(url, str(ClaimRow.__tablename__), CLAIM, map(_claim_row, some))
    completed = (_completed_row(one) for one in some if one.session is not None)
    copy_in(url, str(CompletedSessionRow.__tablename__), COMPLETED, completed)
    return Counter((row[0], row[1], row[2], row[6]) for row in copies)


def _copies(charges: Sequence[Charge]) -> Iterator[Row]:
    for one in charges:
        debtor = str(one.debtor)
        yield _copy_row("cdrs", one.cdr, debtor, one.received_at)
        if one.session is not None:
            yield _copy_row("sessions", one.session, debtor, one.received_at)


def _copy_row(module_id: str, content: Object, addressee: str, at: datetime) -> Row:
    module = MODULES[module_id]
    return (
        module_id,
        content["country_code"],
        content["party_id"],
        fold(content[module.key]),
        module.variant_of({}, content),
        "",
        addressee,
        datetime.fromisoformat(content["last_updated"]),
        pack(encode_decoded(content)),
        at,
    )


def _version_row(copy: Row) -> Row:
    *names, _, last_updated, packed, at = copy
    return (*names, last_updated, at, packed)


def _claim_row(charge: Charge) -> Row:
    claim = claim_of(charge.cdr)
    assert claim is not None
    return (
        _owner(charge.cdr),
        fold(claim.cdr_id),
        claim.cdr_id,
        str(charge.debtor),
        claim.currency,
        claim.excl_vat,
        claim.incl_vat,
        claim.is_credit,
        claim.end_date_time,
        charge.received_at,
        0,
        _is_valid(charge.cdr),
    )


def _is_valid(cdr: Object) -> bool:
    """What the hub finds at its door."""
    try:
        CDR.model_validate(decode_json(encode_decoded(cdr)))
    except ValidationError:
        return False
    return True


def _completed_row(charge: Charge) -> Row:
    assert charge.session is not None
    key = fold(charge.session["id"])
    trace = trace_of(encode_decoded(charge.session))
    return (_owner(charge.session), key, str(charge.debtor), charge.received_at, *trace)


def _owner(content: Object) -> str:
    return str(Party(content["country_code"], content["party_id"]))
