"""What keeps the books right whoever works on them at once: limits that are reached, corrections that a credit supersedes, stricter guards."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NOW = sa.DateTime(timezone=True)


def upgrade() -> None:
    _limits()
    _corrections()
    _forgetting()
    _closed_periods()


def _limits() -> None:
    op.add_column("decision", sa.Column("confirmed_at", _NOW, nullable=True))
    op.execute("update decision set confirmed_at = stands_since where confirmed_by <> ''")
    op.create_table(
        "decision_limit",
        sa.Column("decision", sa.BigInteger(), sa.ForeignKey("decision.id"), nullable=False),
        sa.Column("beyond_from", _NOW, nullable=False),
        sa.Column("known_at", _NOW, nullable=False),
        sa.PrimaryKeyConstraint("decision", "beyond_from"),
    )
    op.execute(
        "create trigger decision_limit_grows before update or delete or truncate on decision_limit "
        "for each statement execute function only_grows()"
    )


def _corrections() -> None:
    op.add_column("adjustment", sa.Column("reverses", sa.BigInteger(), sa.ForeignKey("adjustment.id"), nullable=True))
    op.execute(
        "update adjustment a set statement = s.id from statement_line l join settlement_statement s on s.id = l.statement "
        "where s.state = 'advised' and l.kind = 'adjustment' and l.cdr_key = "
        "case when a.dispute is null then 'adjustment-' || a.id else 'dispute-' || a.dispute end "
        "and a.kind = 'adjustment' and a.state = 'agreed'"
    )


def _forgetting() -> None:
    op.create_table(
        "forgetting",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("done_at", _NOW, nullable=False),
    )


def _closed_periods() -> None:
    """A period that closes meanwhile is waited for: what was open when the posting was made may be closed when it is kept."""
    op.execute("drop trigger posting_is_open on posting")
    op.execute(
        """
        create function period_takes_postings() returns trigger language plpgsql as $$
        declare
            shut text;
        begin
            perform 1 from period where id in (select period from added) order by id for share;
            select id into shut from period where id in (select period from added) and state in ('closed', 'sealed') limit 1;
            if shut is not null then
                raise exception 'period % is closed', shut using errcode = 'check_violation';
            end if;
            return null;
        end $$
        """
    )
    op.execute(
        "create trigger posting_is_open after insert on posting referencing new table as added "
        "for each statement execute function period_takes_postings()"
    )
