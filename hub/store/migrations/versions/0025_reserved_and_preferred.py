"""sessions of reservations, and what drivers want of a charge; sites with limits are told again, for their EVSEs take preferences now"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_IS_UNTOLD = "told_version < version or (cdr is not null and not is_cdr_told)"
_KEPT = ("connector_id", "session_id", "place", "tariffs")
_TELL_AGAIN = (
    "update charge_site set version = version + 1, updated_at = greatest(now(), updated_at + interval '1 second') "
    "where not is_gone and jsonb_typeof(content::jsonb -> 'limits') = 'object'"
)


def upgrade() -> None:
    for name in _KEPT:
        op.add_column("charge_reservation", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    for name in ("version", "told_version"):
        op.add_column("charge_reservation", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.add_column("charge_reservation", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("charge_reservation", sa.Column("cdr", sa.Text(), nullable=True))
    op.add_column(
        "charge_reservation", sa.Column("is_cdr_told", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    op.create_index(
        "ix_charge_reservation_untold", "charge_reservation", ["number"], postgresql_where=sa.text(_IS_UNTOLD)
    )
    op.create_table(
        "charge_preference",
        sa.Column("session_id", sa.String(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False, server_default="") for name in ("sender", "profile_type")),
        sa.Column("departs_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("wanted_wh", sa.Numeric(), nullable=True),
        sa.Column("may_discharge", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute(_TELL_AGAIN)


def downgrade() -> None:
    op.drop_table("charge_preference")
    op.drop_index("ix_charge_reservation_untold", "charge_reservation")
    for name in (*_KEPT, "version", "told_version", "ended_at", "cdr", "is_cdr_told"):
        op.drop_column("charge_reservation", name)
