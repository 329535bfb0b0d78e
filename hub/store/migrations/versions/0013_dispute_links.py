"""links with which a counterparty takes part in a dispute; CDRs by the beginning of their id"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "dispute_link",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("dispute", sa.BigInteger(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("ends_at", _MOMENT, nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=True),
        sa.Column("revoked_by", sa.String(), nullable=False),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["dispute"], ["dispute.id"]),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_dispute_link_dispute", "dispute_link", ["dispute"])
    op.create_index("ix_verdict_key", "verdict", ["cdr_key"], postgresql_ops={"cdr_key": "text_pattern_ops"})


def downgrade() -> None:
    op.drop_index("ix_verdict_key", "verdict")
    op.drop_table("dispute_link")
