"""how many looks at CDRs were kept, for those who look beside others"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "settling",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("looks", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute(
        "insert into settling (id, looks, looked_at) select 1, 1, max(examined_at) from verdict having count(*) > 0"
    )


def downgrade() -> None:
    op.drop_table("settling")
