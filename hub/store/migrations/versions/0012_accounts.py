"""the console: accounts, sessions, links that are good once, the audit log"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NOW = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("shown_name", sa.String(), nullable=False),
        sa.Column("password", sa.String(), nullable=False),
        sa.Column("roles", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", _NOW, nullable=False),
        sa.Column("seen_at", _NOW, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("subject"),
    )
    op.create_table(
        "console_session",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("began_at", _NOW, nullable=False),
        sa.Column("used_at", _NOW, nullable=False),
        sa.Column("ends_at", _NOW, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sa.ForeignKeyConstraint(["account"], ["account.id"], ondelete="CASCADE"),
    )
    op.create_index("ix_console_session_account", "console_session", ["account"])
    op.create_table(
        "console_link",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=True),
        sa.Column("ends_at", _NOW, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sa.ForeignKeyConstraint(["account"], ["account.id"], ondelete="CASCADE"),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("at", _NOW, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_audit_entry_target", "audit_entry", ["target", "id"])
    op.create_index("ix_audit_entry_actor", "audit_entry", ["actor", "id"])
    op.create_index(
        "ix_audit_entry_failed", "audit_entry", ["at"], postgresql_where=sa.text("action = 'sign_in_failed'")
    )
    op.execute(
        "create trigger audit_entry_grows before update or delete or truncate on audit_entry "
        "for each statement execute function only_grows()"
    )


def downgrade() -> None:
    op.execute("drop trigger audit_entry_grows on audit_entry")
    for table in ("audit_entry", "console_link", "console_session", "account"):
        op.drop_table(table)
