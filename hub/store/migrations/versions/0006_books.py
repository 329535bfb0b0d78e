"""the books of settlement: verdicts, findings, decisions, journal, periods, statements, seals, disputes, agreements"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NOW = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("claim", sa.Column("examined_at", _NOW, nullable=True))
    op.add_column("claim", sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.alter_column("claim", "failures", server_default=None)
    op.create_index(
        "ix_claim_waiting", "claim", ["failures", "accepted_at"], postgresql_where=sa.text("examined_at is null")
    )
    _periods()
    _verdicts()
    _journal()
    _statements()
    _decisions()
    _chases()
    _guards()


def _periods() -> None:
    op.create_table(
        "period",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("starts_at", _NOW, nullable=False),
        sa.Column("ends_at", _NOW, nullable=False),
        sa.Column("closes_at", _NOW, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("changed_at", _NOW, nullable=False),
        sa.Column("closed_by", sa.String(), nullable=False),
    )
    op.create_table(
        "period_step",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("period", sa.String(), sa.ForeignKey("period.id"), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("made_at", _NOW, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
    )
    op.create_index("ix_period_step_period", "period_step", ["period", "id"])
    op.create_table(
        "seal",
        sa.Column("period", sa.String(), sa.ForeignKey("period.id"), primary_key=True),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=True),
        sa.Column("leaves", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", _NOW, nullable=False),
    )


def _verdicts() -> None:
    op.create_table(
        "verdict",
        sa.Column("creditor", sa.String(), nullable=False),
        sa.Column("cdr_key", sa.String(), nullable=False),
        sa.Column("cdr_id", sa.String(), nullable=False),
        sa.Column("debtor", sa.String(), nullable=False),
        sa.Column("period", sa.String(), sa.ForeignKey("period.id"), nullable=False),
        sa.Column("disposition", sa.String(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("excl_vat", sa.Numeric(), nullable=False),
        sa.Column("incl_vat", sa.Numeric(), nullable=True),
        sa.Column("priced_excl_vat", sa.Numeric(), nullable=True),
        sa.Column("priced_incl_vat", sa.Numeric(), nullable=True),
        sa.Column("energy", sa.Numeric(), nullable=True),
        sa.Column("starts_at", _NOW, nullable=True),
        sa.Column("ends_at", _NOW, nullable=True),
        sa.Column("received_at", _NOW, nullable=False),
        sa.Column("is_credit", sa.Boolean(), nullable=False),
        sa.Column("credit_of", sa.String(), nullable=True),
        sa.Column("session_key", sa.String(), nullable=True),
        sa.Column("session_id", sa.String(), nullable=True),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("plug", sa.String(), nullable=False),
        sa.Column("meter", sa.String(), nullable=False),
        sa.Column("reading", sa.String(), nullable=False),
        sa.Column("matches", sa.Text(), nullable=False),
        sa.Column("examined_at", _NOW, nullable=False),
        sa.Column("statement", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("creditor", "cdr_key"),
    )
    op.create_index("ix_verdict_period", "verdict", ["period", "creditor", "debtor", "currency", "disposition"])
    op.create_index("ix_verdict_session", "verdict", ["creditor", "session_key"])
    op.create_index("ix_verdict_plug", "verdict", ["plug", "ends_at"])
    op.create_index("ix_verdict_token", "verdict", ["token", "ends_at"])
    op.create_index(
        "ix_verdict_credit", "verdict", ["creditor", "credit_of"], postgresql_where=sa.text("credit_of is not null")
    )
    op.create_index("ix_verdict_meter", "verdict", ["meter", "starts_at"], postgresql_where=sa.text("meter <> ''"))
    op.create_index("ix_verdict_reading", "verdict", ["creditor", "reading"], postgresql_where=sa.text("reading <> ''"))
    op.create_table(
        "finding",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("check_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("disposition", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("party", sa.String(), nullable=False),
        sa.Column("counterparty", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("at_risk", sa.Numeric(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("raised_at", _NOW, nullable=False),
        sa.Column("cleared_at", _NOW, nullable=True),
    )
    op.create_index("ix_finding_cause", "finding", ["cause"])
    op.create_index("ix_finding_period", "finding", ["period", "kind"])
    op.create_table(
        "finding_cdr",
        sa.Column("finding", sa.String(), sa.ForeignKey("finding.key", ondelete="cascade"), nullable=False),
        sa.Column("creditor", sa.String(), nullable=False),
        sa.Column("cdr_key", sa.String(), nullable=False),
        sa.Column("at_risk", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("finding", "creditor", "cdr_key"),
    )
    op.create_index("ix_finding_cdr", "finding_cdr", ["creditor", "cdr_key"])


def _journal() -> None:
    op.create_table(
        "journal_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("key", sa.String(), nullable=False, unique=True),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("known_at", _NOW, nullable=False),
    )
    op.create_index("ix_journal_entry_reference", "journal_entry", ["reference"])
    op.create_table(
        "posting",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("entry", sa.BigInteger(), sa.ForeignKey("journal_entry.id"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("party", sa.String(), nullable=False),
        sa.Column("counterparty", sa.String(), nullable=False),
        sa.Column("period", sa.String(), sa.ForeignKey("period.id"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("excl_vat", sa.Numeric(), nullable=False),
        sa.Column("incl_vat", sa.Numeric(), nullable=False),
    )
    op.create_index("ix_posting_entry", "posting", ["entry"])
    op.create_index("ix_posting_account", "posting", ["period", "kind", "party", "counterparty", "currency"])


def _statements() -> None:
    op.create_table(
        "settlement_statement",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("period", sa.String(), sa.ForeignKey("period.id"), nullable=False),
        sa.Column("creditor", sa.String(), nullable=False),
        sa.Column("debtor", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("draft", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("excl_vat", sa.Numeric(), nullable=False),
        sa.Column("incl_vat", sa.Numeric(), nullable=False),
        sa.Column("cdrs", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("fees", sa.BigInteger(), nullable=False),
        sa.Column("adjustments", sa.BigInteger(), nullable=False),
        sa.Column("kept_out", sa.BigInteger(), nullable=False),
        sa.Column("energy", sa.Numeric(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kept_out_digest", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", _NOW, nullable=False),
        sa.UniqueConstraint("period", "creditor", "debtor", "currency", "draft"),
    )
    op.create_index(
        "ix_settlement_statement_live",
        "settlement_statement",
        ["period", "creditor", "debtor", "currency"],
        unique=True,
        postgresql_where=sa.text("state <> 'superseded'"),
    )
    op.create_table(
        "statement_line",
        sa.Column("statement", sa.String(), sa.ForeignKey("settlement_statement.id"), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("cdr_creditor", sa.String(), nullable=False),
        sa.Column("cdr_key", sa.String(), nullable=False),
        sa.Column("excl_vat", sa.Numeric(), nullable=False),
        sa.Column("incl_vat", sa.Numeric(), nullable=True),
        sa.PrimaryKeyConstraint("statement", "line"),
    )
    op.create_index("ix_statement_line_cdr", "statement_line", ["cdr_creditor", "cdr_key"])
    op.create_table(
        "statement_kept_out",
        sa.Column("statement", sa.String(), sa.ForeignKey("settlement_statement.id"), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("cdr_creditor", sa.String(), nullable=False),
        sa.Column("cdr_key", sa.String(), nullable=False),
        sa.Column("disposition", sa.String(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("statement", "line"),
    )


def _decisions() -> None:
    op.create_table(
        "decision",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at_risk", sa.Text(), nullable=False),
        sa.Column("most", sa.Numeric(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("decided_at", _NOW, nullable=False),
        sa.Column("confirmed_by", sa.String(), nullable=False),
        sa.Column("stands_since", _NOW, nullable=True),
        sa.Column("revoked_at", _NOW, nullable=True),
        sa.Column("revoked_by", sa.String(), nullable=False),
    )
    op.create_index("ix_decision_target", "decision", ["scope", "target"])
    op.create_table(
        "dispute",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("creditor", sa.String(), nullable=False),
        sa.Column("debtor", sa.String(), nullable=False),
        sa.Column("cdr_key", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("excl_vat", sa.Numeric(), nullable=False),
        sa.Column("incl_vat", sa.Numeric(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("yielded", sa.String(), nullable=False),
        sa.Column("statement", sa.String(), nullable=False),
        sa.Column("period", sa.String(), sa.ForeignKey("period.id"), nullable=False),
        sa.Column("posted_in", sa.String(), nullable=False),
        sa.Column("due_at", _NOW, nullable=False),
        sa.Column("opened_at", _NOW, nullable=False),
    )
    op.create_index("ix_dispute_cdr", "dispute", ["creditor", "cdr_key"])
    op.create_index("ix_dispute_due", "dispute", ["state", "due_at"])
    op.create_table(
        "dispute_step",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("dispute", sa.BigInteger(), sa.ForeignKey("dispute.id"), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("made_at", _NOW, nullable=False),
    )
    op.create_table(
        "agreement",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("creditor", sa.String(), nullable=False),
        sa.Column("debtor", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_at", _NOW, nullable=False),
        sa.Column("activated_by", sa.String(), nullable=False),
        sa.Column("activated_at", _NOW, nullable=True),
        sa.Column("ended_at", _NOW, nullable=True),
        sa.Column("ended_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", "version"),
    )
    op.create_index("ix_agreement_pair", "agreement", ["creditor", "debtor"])
    op.create_table(
        "meter_key",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("meter_id", sa.String(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("valid_from", _NOW, nullable=False),
        sa.Column("registered_by", sa.String(), nullable=False),
        sa.Column("registered_at", _NOW, nullable=False),
        sa.Column("withdrawn_by", sa.String(), nullable=False),
        sa.Column("withdrawn_at", _NOW, nullable=True),
    )
    op.create_index(
        "ix_meter_key_good",
        "meter_key",
        ["owner", "meter_id", "valid_from"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at is null"),
    )
    op.create_table(
        "adjustment",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("creditor", sa.String(), nullable=False),
        sa.Column("debtor", sa.String(), nullable=False),
        sa.Column("cdr_key", sa.String(), nullable=False),
        sa.Column("cdr_id", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("excl_vat", sa.Numeric(), nullable=False),
        sa.Column("incl_vat", sa.Numeric(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_for", sa.String(), nullable=False),
        sa.Column("proposed_at", _NOW, nullable=False),
        sa.Column("answered_by", sa.String(), nullable=False),
        sa.Column("answered_at", _NOW, nullable=True),
        sa.Column("dispute", sa.BigInteger(), sa.ForeignKey("dispute.id"), nullable=True),
        sa.Column("period", sa.String(), sa.ForeignKey("period.id"), nullable=True),
        sa.Column("statement", sa.String(), nullable=True),
    )
    op.create_index("ix_adjustment_cdr", "adjustment", ["creditor", "cdr_key"])
    op.create_index("ix_adjustment_period", "adjustment", ["period", "creditor", "debtor", "currency"])
    op.create_table(
        "pseudonym",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "value"),
    )
    op.create_index("ix_pseudonym_value", "pseudonym", ["value"])


def _chases() -> None:
    op.create_table(
        "chase",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("creditor", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("asked_at", _NOW, nullable=False),
        sa.Column("done_at", _NOW, nullable=True),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("date_from", _NOW, nullable=True),
        sa.Column("objects", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("new_cdrs", sa.Integer(), nullable=False),
        sa.Column("said", sa.String(), nullable=False),
    )
    op.create_index("ix_chase_creditor", "chase", ["creditor", "id"])


def _guards() -> None:
    """What the database itself holds, whoever writes: entries balance, the books only grow, closed periods take nothing."""
    op.execute(
        """
        create function entry_balances() returns trigger language plpgsql as $$
        begin
            if exists (
                select 1 from posting where entry = new.entry group by currency
                having sum(excl_vat) <> 0 or sum(incl_vat) <> 0
            ) then
                raise exception 'entry % does not add up to zero', new.entry using errcode = 'check_violation';
            end if;
            return null;
        end $$
        """
    )
    op.execute(
        "create constraint trigger posting_balances after insert on posting deferrable initially deferred "
        "for each row execute function entry_balances()"
    )
    op.execute(
        """
        create function only_grows() returns trigger language plpgsql as $$
        begin
            raise exception '% is only added to', tg_table_name using errcode = 'check_violation';
        end $$
        """
    )
    for table in (
        "journal_entry",
        "posting",
        "dispute_step",
        "seal",
        "period_step",
        "statement_line",
        "statement_kept_out",
    ):
        op.execute(
            f"create trigger {table}_grows before update or delete or truncate on {table} "
            "for each statement execute function only_grows()"
        )
    op.execute(
        """
        create function period_is_open() returns trigger language plpgsql as $$
        begin
            if exists (select 1 from period where id = new.period and state in ('closed', 'sealed')) then
                raise exception 'period % is closed', new.period using errcode = 'check_violation';
            end if;
            return new;
        end $$
        """
    )
    op.execute("create trigger posting_is_open before insert on posting for each row execute function period_is_open()")
    op.execute(
        """
        create function statement_stands() returns trigger language plpgsql as $$
        begin
            if tg_op = 'DELETE' or old.state = 'advised' then
                raise exception 'statement % is advised, or history', old.id using errcode = 'check_violation';
            end if;
            return new;
        end $$
        """
    )
    op.execute(
        "create trigger settlement_statement_stands before update or delete on settlement_statement "
        "for each row execute function statement_stands()"
    )
    op.execute(
        """
        create function statement_is_draft() returns trigger language plpgsql as $$
        begin
            if exists (
                select 1 from settlement_statement s where s.state <> 'draft' and s.id in (select statement from added)
            ) then
                raise exception 'a statement that is no draft takes no lines' using errcode = 'check_violation';
            end if;
            return null;
        end $$
        """
    )
    for table in ("statement_line", "statement_kept_out"):
        op.execute(
            f"create trigger {table}_is_draft after insert on {table} referencing new table as added "
            "for each statement execute function statement_is_draft()"
        )
