"""claims tell whether the hub found their CDRs valid when they came"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("claim", sa.Column("is_judged", sa.Boolean(), nullable=False, server_default="false"))


def downgrade() -> None:
    op.drop_column("claim", "is_judged")
