"""corrections of fees: whose CDR it is, where that is not the creditor; which fees of a period were looked at"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("adjustment", sa.Column("owner", sa.String(), nullable=True))
    op.execute("update adjustment set owner = creditor")
    op.alter_column("adjustment", "owner", nullable=False)
    op.create_index("ix_adjustment_fee", "adjustment", ["owner", "cdr_key"], postgresql_where=sa.text("kind = 'fee'"))
    op.create_table(
        "fee_look",
        sa.Column("period", sa.String(), sa.ForeignKey("period.id"), primary_key=True),
        sa.Column("mark", sa.String(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("fee_look")
    op.drop_index("ix_adjustment_fee", "adjustment")
    op.drop_column("adjustment", "owner")
