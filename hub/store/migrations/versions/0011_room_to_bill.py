"""advising writes in place: verdicts leave room in their pages, and lines are looked at once a statement of SQL, not once a row"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

LINES = ("statement_line", "statement_kept_out")


def upgrade() -> None:
    """What the database holds is the same: a line belongs to a draft that is there, and no statement that has lines goes or is renamed."""
    # a verdict is written again when it is billed: beside itself, no index of the table changes
    op.execute("alter table verdict set (fillfactor = 45)")
    op.execute(
        """
        create or replace function statement_is_draft() returns trigger language plpgsql as $$
        begin
            if exists (
                select 1 from (select distinct statement from added) a
                left join settlement_statement s on s.id = a.statement and s.state = 'draft' where s.id is null
            ) then
                raise exception 'a statement that is no draft takes no lines' using errcode = 'check_violation';
            end if;
            return null;
        end $$
        """
    )
    op.execute(
        """
        create or replace function statement_stands() returns trigger language plpgsql as $$
        begin
            if tg_op = 'DELETE' or old.state = 'advised' or new.id <> old.id then
                raise exception 'statement % is advised, or history', old.id using errcode = 'check_violation';
            end if;
            return new;
        end $$
        """
    )
    op.execute(
        "create trigger settlement_statement_is_kept before truncate on settlement_statement "
        "for each statement execute function only_grows()"
    )
    for table in LINES:
        op.drop_constraint(f"{table}_statement_fkey", table, type_="foreignkey")
