"""the operator's desk: how far handshakes came, and parties that an operator suspended"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_NOW = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("party", sa.Column("suspended_by", sa.String(), nullable=False, server_default=""))
    op.alter_column("party", "suspended_by", server_default=None)
    op.create_table(
        "handshake_step",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("is_good", sa.Boolean(), nullable=False),
        sa.Column("first_at", _NOW, nullable=False),
        sa.Column("last_at", _NOW, nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "step", "is_good"),
    )


def downgrade() -> None:
    op.drop_table("handshake_step")
    op.drop_column("party", "suspended_by")
