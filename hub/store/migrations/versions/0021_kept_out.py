"""CDRs that do not settle in every order, how many came on a day, what EVSEs are called, and steps of periods that came to nothing"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import text

from hub.store.places import rows_of

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

BATCH_ROWS = 1000
_PLACE_KEY = ("country_code", "party_id", "key", "audience")

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
    op.add_column("place", sa.Column("evse_names", sa.Text(), nullable=False, server_default=""))
    _name_evses()
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


def _name_evses() -> None:
    connection = op.get_bind()
    copies = text(
        f"select seq, {', '.join(_PLACE_KEY)}, packed from copy where module = 'locations' and seq > :after order by seq limit :most"
    )
    same = " and ".join(f"{name} = :{name}" for name in _PLACE_KEY)
    update = text(f"update place set evse_names = :evse_names where {same}")
    after = 0
    while batch := connection.execute(copies, {"after": after, "most": BATCH_ROWS}).mappings().all():
        made = rows_of([{**row} for row in batch])
        names = (*_PLACE_KEY, "evse_names")
        connection.execute(update, [{name: row[name] for name in names} for row in made])
        after = batch[-1]["seq"]


def downgrade() -> None:
    op.drop_table("step_failure")
    op.drop_column("place", "evse_names")
    op.drop_index("ix_verdict_received", "verdict")
    op.create_index("ix_verdict_received", "verdict", ["received_at"])
    for name in _ORDERS:
        op.drop_index(f"ix_verdict_kept_out{name}", "verdict")
