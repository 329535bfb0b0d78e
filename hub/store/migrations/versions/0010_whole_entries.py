"""entries are whole when they are written: the rules of postings are looked at once a statement, not once a row"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What the database holds is the same, and sooner: a statement that leaves an entry unbalanced fails, not the commit after it."""
    op.execute("drop trigger posting_balances on posting")
    op.execute("drop function entry_balances()")
    op.execute("drop function period_is_open()")
    op.execute(
        """
        create function entries_balance() returns trigger language plpgsql as $$
        declare
            unbalanced bigint;
        begin
            -- one look into the index for each entry: a join might read all postings there are
            select a.entry into unbalanced from (select distinct entry from added) a cross join lateral (
                select 1 from posting p where p.entry = a.entry group by p.currency
                having sum(p.excl_vat) <> 0 or sum(p.incl_vat) <> 0 limit 1
            ) wrong limit 1;
            if found then
                raise exception 'entry % does not add up to zero', unbalanced using errcode = 'check_violation';
            end if;
            return null;
        end $$
        """
    )
    op.execute(
        "create trigger posting_balances after insert on posting referencing new table as added "
        "for each statement execute function entries_balance()"
    )
