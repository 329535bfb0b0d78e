"""sums that are kept by the database itself: verdicts by pair and disposition, postings by account"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_KEPT = ("period", "creditor", "debtor", "currency", "disposition")
_ACCOUNT = ("kind", "party", "counterparty", "period", "currency")
_MONEY = sa.Numeric()


def upgrade() -> None:
    """What a month, a pair or an account comes to is read in a moment, and is so in the same transaction as its rows."""
    _make_table("verdict_total", _KEPT, cdrs=sa.BigInteger(), excl_vat=_MONEY)
    _make_table("account_balance", _ACCOUNT, excl_vat=_MONEY, incl_vat=_MONEY)
    for statement in (*_VERDICTS, *_POSTINGS):
        op.execute(statement)


def _make_table(name: str, keys: tuple[str, ...], **sums: sa.types.TypeEngine[Any]) -> None:
    columns = [sa.Column(key, sa.String(), nullable=False) for key in keys]
    amounts = [sa.Column(one, kind, nullable=False) for one, kind in sums.items()]
    op.create_table(name, *columns, *amounts, sa.PrimaryKeyConstraint(*keys))


def downgrade() -> None:
    op.execute("drop trigger posting_balance on posting")
    op.execute("drop function keep_account_balance()")
    for event in ("insert", "update", "delete"):
        op.execute(f"drop trigger verdict_total_{event} on verdict")
        op.execute(f"drop function keep_verdict_total_{event}()")
    op.drop_table("account_balance")
    op.drop_table("verdict_total")


# rows are changed in the order of their keys, so that two who change several wait for each other in one direction
_ADDED = (
    "insert into verdict_total as t (period, creditor, debtor, currency, disposition, cdrs, excl_vat) "
    "select period, creditor, debtor, currency, disposition, sum(n), sum(amount) from ({rows}) d group by 1, 2, 3, 4, 5 "
    "having sum(n) <> 0 or sum(amount) <> 0 order by 1, 2, 3, 4, 5 "
    "on conflict (period, creditor, debtor, currency, disposition) do update "
    "set cdrs = t.cdrs + excluded.cdrs, excl_vat = t.excl_vat + excluded.excl_vat"
)
_NEW = "select period, creditor, debtor, currency, disposition, 1 as n, excl_vat as amount from added"
_OLD = "select period, creditor, debtor, currency, disposition, -1 as n, -excl_vat as amount from gone"
_EVENTS = {
    "insert": (_NEW, "new table as added"),
    "update": (f"{_NEW} union all {_OLD}", "new table as added old table as gone"),
    "delete": (_OLD, "old table as gone"),
}


def _function(name: str, statement: str) -> str:
    return f"create function {name}() returns trigger language plpgsql as $$ begin {statement}; return null; end $$"


_VERDICTS = [
    _ADDED.format(rows=_NEW.replace("from added", "from verdict")),
    *(_function(f"keep_verdict_total_{event}", _ADDED.format(rows=rows)) for event, (rows, _) in _EVENTS.items()),
    *(
        f"create trigger verdict_total_{event} after {event} on verdict referencing {tables} "
        f"for each statement execute function keep_verdict_total_{event}()"
        for event, (_, tables) in _EVENTS.items()
    ),
]

_BALANCES = (
    "insert into account_balance as t (kind, party, counterparty, period, currency, excl_vat, incl_vat) "
    "select kind, party, counterparty, period, currency, sum(excl_vat), sum(incl_vat) from {rows} group by 1, 2, 3, 4, 5 "
    "order by 1, 2, 3, 4, 5 on conflict (kind, party, counterparty, period, currency) do update "
    "set excl_vat = t.excl_vat + excluded.excl_vat, incl_vat = t.incl_vat + excluded.incl_vat"
)
_POSTINGS = [
    _BALANCES.format(rows="posting"),
    _function("keep_account_balance", _BALANCES.format(rows="added")),
    "create trigger posting_balance after insert on posting referencing new table as added "
    "for each statement execute function keep_account_balance()",
]
