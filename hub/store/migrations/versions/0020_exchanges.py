"""the journal of messages"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_NOW = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "exchange_batch",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("first_at", _NOW, nullable=False),
        sa.Column("last_at", _NOW, nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("parties", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("correlations", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("partners", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("failed", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("has_failures", sa.Boolean(), nullable=False),
        sa.Column("heads", sa.LargeBinary(), nullable=False),
        sa.Column("bodies", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    # what is packed cannot be made smaller: without this PostgreSQL tries, each time
    op.execute("alter table exchange_batch alter column heads set storage external")
    op.execute("alter table exchange_batch alter column bodies set storage external")
    op.create_index("ix_exchange_batch_correlations", "exchange_batch", ["correlations"], postgresql_using="gin")
    op.create_index(
        "ix_exchange_batch_failed", "exchange_batch", ["id"], postgresql_where=sa.text("failed <> '{}'::integer[]")
    )
    op.create_index(
        "ix_exchange_batch_bodies", "exchange_batch", ["id"], postgresql_where=sa.text("bodies is not null")
    )


def downgrade() -> None:
    op.drop_table("exchange_batch")
