"""alerts: what is raised when, whom it is told, and what was raised and told"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_NOW = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "alert_rule",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("threshold", sa.Numeric(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_urgent", sa.Boolean(), nullable=False),
        sa.Column("channels", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "currency"),
    )
    op.create_table(
        "alert_channel",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("address_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("shown", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("quiet", sa.Text(), nullable=False),
        sa.Column("again_hours", sa.BigInteger(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("made_at", _NOW, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "alert",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("since", _NOW, nullable=False),
        sa.Column("raised_at", _NOW, nullable=False),
        sa.Column("closed_at", _NOW, nullable=True),
        sa.Column("acknowledged_by", sa.String(), nullable=False),
        sa.Column("acknowledged_at", _NOW, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_alert_open",
        "alert",
        ["kind", "currency", "subject"],
        unique=True,
        postgresql_where=sa.text("closed_at is null"),
    )
    op.create_index("ix_alert_closed", "alert", ["closed_at"], postgresql_where=sa.text("closed_at is not null"))
    op.create_table(
        "alert_telling",
        sa.Column("alert", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.BigInteger(), nullable=False),
        sa.Column("raised_at", _NOW, nullable=True),
        sa.Column("closed_at", _NOW, nullable=True),
        sa.Column("tried_at", _NOW, nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alert", "channel"),
        sa.ForeignKeyConstraint(["alert"], ["alert.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["channel"], ["alert_channel.id"], ondelete="CASCADE"),
    )


def downgrade() -> None:
    for table in ("alert_telling", "alert", "alert_channel", "alert_rule"):
        op.drop_table(table)
