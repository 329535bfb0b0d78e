"""CDRs that do not settle in every order, how many came on a day, and steps of periods that came to nothing"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import text

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_ORDERS: dict[str, tuple[Any, ...]] = {
    "": (),
    "_received": ("received_at",),
    "_ended": (text("coalesce(ends_at, '-infinity'::timestamptz)"),),
    "_claimed": ("currency", "excl_vat"),
    "_difference": ("currency", text("coalesce(excl_vat - priced_excl_vat, '-infinity'::numeric)")),
    "_energy": (text("coalesce(energy, '-infinity'::numeric)"),),
}


def upgrade() -> None:
    for name, parts in _ORDERS.items():
        columns = ["disposition", *parts, "creditor", "cdr_key"]
        op.create_index(
            f"ix_verdict_kept_out{name}", "verdict", columns, postgresql_where=text("disposition <> 'SETTLE'")
        )
    op.drop_index("ix_verdict_received", "verdict")
    op.create_index("ix_verdict_received", "verdict", ["received_at"], postgresql_include=["disposition"])
    op.create_table(
        "step_failure",
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["period"], ["period.id"]),
        sa.PrimaryKeyConstraint("period"),
    )


def downgrade() -> None:
    op.drop_table("step_failure")
    op.drop_index("ix_verdict_received", "verdict")
    op.create_index("ix_verdict_received", "verdict", ["received_at"])
    for name in _ORDERS:
        op.drop_index(f"ix_verdict_kept_out{name}", "verdict")
