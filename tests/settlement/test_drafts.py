"""Lines of statements as they are hashed: whatever they hold, it is the hash of the canonical JSON of what stands in every file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.settlement.drafts import changes, line_content, line_leaves, movers
from hub.settlement.seal import leaf_hash
from hub.store.database import Database

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
MOMENTS = st.integers(0, 4 * 10**15).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))
AMOUNTS = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places), st.integers(-(10**20), 10**20), st.integers(0, 80)
)
"""Of sizes and with as many zeros behind as nobody states, too."""

COLUMNS = ("kind", "cdr_id", "session_id", "starts_at", "ends_at", "energy", "excl_vat", "incl_vat")
LINES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["cdr", "credit", "fee", "adjustment"]),
        "cdr_id": TEXTS,
        "session_id": st.none() | TEXTS,
        "starts_at": st.none() | MOMENTS,
        "ends_at": st.none() | MOMENTS,
        "energy": st.none() | AMOUNTS,
        "excl_vat": AMOUNTS,
        "incl_vat": st.none() | AMOUNTS,
    }
)


@given(st.integers(1, 10**6), st.lists(LINES, max_size=5))
def test_lines_are_hashed_as_canonical_json_says_them(first: int, lines: list[dict[str, Any]]) -> None:
    rows = [[_stored(line[name]) for name in COLUMNS] for line in lines]
    expected = [leaf_hash(line_content(number, _read(line))) for number, line in enumerate(lines, first)]
    assert line_leaves(first, rows) == expected


def _line(cdr_id: str, amount: str, kind: str = "cdr") -> dict[str, Any]:
    vat = Decimal(amount) * 2
    return {
        "kind": kind,
        "cdr_creditor": "DE/ABC",
        "cdr_key": cdr_id,
        "cdr_id": cdr_id,
        "excl_vat": Decimal(amount),
        "incl_vat": vat,
    }


def test_the_cdrs_that_moved_a_total_the_most_come_first() -> None:
    """A fee of a CDR counts with it; what stayed as it was moved nothing."""
    before = [
        _line("SAME", "7"),
        _line("GONE", "5"),
        _line("DEARER", "9"),
        _line("SWAPPED", "3"),
        _line("SWAPPED", "-1", "fee"),
    ]
    after = [
        _line("SAME", "7"),
        _line("DEARER", "29"),
        _line("NEW", "-6"),
        _line("SWAPPED", "2"),
        _line("DEARER", "1", "fee"),
    ]
    found = movers(changes(before, after))
    assert [(one.cdr_id, one.before, one.after, one.moved) for one in found] == [
        ("DEARER", Decimal(9), Decimal(30), Decimal(21)),
        ("NEW", None, Decimal(-6), Decimal(-6)),
        ("GONE", Decimal(5), None, Decimal(-5)),
    ]
    assert [one.cdr_id for one in movers(changes(before, after), most=1)] == ["DEARER"]


def _stored(value: Any) -> Any:
    """As the database says it: moments in UTC without saying so, numbers with all their digits."""
    if isinstance(value, Decimal):
        return f"{value if value else value.copy_abs():f}"
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def _read(line: dict[str, Any]) -> dict[str, Any]:
    """The same row as it is read for a file: numbers come out of the same digits."""
    return {name: Decimal(_stored(value)) if isinstance(value, Decimal) else value for name, value in line.items()}


HARD = (
    ("0", "plain"),
    ("0.00", "zeros that were stated"),
    ("-0.10", "a credit"),
    ("12345678901234567890.123456789", "many digits"),
    ("0." + "0" * 70 + "1", "hardly anything"),
    ("9" * 15 + "." + "9" * 15, "as much as is accepted of a number"),
)


async def test_the_database_says_numbers_and_moments_as_they_are_hashed(database: Database) -> None:
    """What the store reads for a hash (`hub.store.statements.AS_SEALED`) is what `line_leaves` takes."""
    moment = datetime(2026, 10, 25, 0, 30, 0, 7_900, tzinfo=UTC)
    for digits, remark in HARD:
        ((as_text, number),) = [
            tuple(row.values())
            for row in await database.direct.fetch("select $1::numeric::text, $1::numeric", Decimal(digits))
        ]
        row = ["cdr", "C1", None, None, None, as_text, as_text, None]
        line = {"kind": "cdr", "cdr_id": "C1", "session_id": None, "starts_at": None, "ends_at": None}
        line |= {"energy": number, "excl_vat": number, "incl_vat": None}
        assert line_leaves(1, [row]) == [leaf_hash(line_content(1, line))], remark
    (read,) = await database.direct.fetch("select $1::timestamptz at time zone 'UTC' as at", moment)
    assert read["at"] == moment.replace(tzinfo=None)
