"""what is asked often is read in a moment: sums that the database keeps, sessions that have their CDR, the order of findings and credits"""

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
    op.add_column("completed_session", sa.Column("has_cdr", sa.Boolean(), nullable=False, server_default="false"))
    op.create_index(
        "ix_completed_session_without_cdr",
        "completed_session",
        ["completed_at", "creditor", "session_key"],
        postgresql_where=sa.text("not has_cdr"),
    )
    op.create_index("ix_finding_risk", "finding", ["at_risk", "key"], postgresql_where=sa.text("cleared_at is null"))
    op.create_index(
        "ix_verdict_crediting", "verdict", ["creditor", "cdr_key"], postgresql_where=sa.text("credit_of is not null")
    )
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
    op.drop_index("ix_verdict_crediting", "verdict")
    op.drop_index("ix_finding_risk", "finding")
    op.drop_column("completed_session", "has_cdr")
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


# a session that turned out to be that of another CDR is to be looked for again
_LET_GO = (
    "update completed_session s set has_cdr = false from gone join added using (creditor, cdr_key) "
    "where gone.found_session is not null and gone.found_session is distinct from added.found_session "
    "and s.creditor = gone.creditor and s.session_key = gone.found_session"
)


def _function(name: str, statement: str) -> str:
    return f"create function {name}() returns trigger language plpgsql as $$ begin {statement}; return null; end $$"


_ALSO = {"update": f"; {_LET_GO}"}

_VERDICTS = [
    _ADDED.format(rows=_NEW.replace("from added", "from verdict")),
    *(
        _function(f"keep_verdict_total_{event}", f"{_ADDED.format(rows=rows)}{_ALSO.get(event, '')}")
        for event, (rows, _) in _EVENTS.items()
    ),
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
