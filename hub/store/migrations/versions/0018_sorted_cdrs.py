"""CDRs in the orders that people ask for: when they came and ended, how much is claimed and too much, and how much was charged"""

from alembic import op
from sqlalchemy import TextClause, text

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_INDEXES: dict[str, tuple[str | TextClause, ...]] = {
    "ix_verdict_received": ("received_at",),
    "ix_verdict_ended": (text("coalesce(ends_at, '-infinity'::timestamptz)"),),
    "ix_verdict_claimed": ("currency", "excl_vat"),
    "ix_verdict_difference": (
        "currency",
        text("coalesce(excl_vat - priced_excl_vat, '-infinity'::numeric)"),
        "creditor",
        "cdr_key",
    ),
    "ix_verdict_energy": (text("coalesce(energy, '-infinity'::numeric)"),),
}


def upgrade() -> None:
    for name, columns in _INDEXES.items():
        op.create_index(name, "verdict", [*columns])


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, "verdict")
