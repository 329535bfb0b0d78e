"""where locations are and how their EVSEs are, beside the copies"""

import sqlalchemy as sa
from alembic import op

from hub.store.places import rows_of

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

BATCH_ROWS = 1000
_KEY = ("country_code", "party_id", "key", "audience")
_TEXTS = ("id", "name", "address", "city", "country")
_COUNTS = ("available", "charging", "blocked", "out_of_order", "unknown")
_DEGREES = ("latitude", "longitude")


def upgrade() -> None:
    op.create_table(
        "place",
        *(sa.Column(name, sa.String(), nullable=False) for name in (*_KEY, *_TEXTS)),
        *(sa.Column(name, sa.Float(), nullable=True) for name in _DEGREES),
        sa.Column("is_published", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stale_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(*_KEY),
    )
    _fill()
    op.create_index("ix_place_where", "place", ["longitude", "latitude"])
    op.create_index("ix_place_changed", "place", ["changed_at"])


def _fill() -> None:
    connection = op.get_bind()
    copies = sa.text(
        "select seq, country_code, party_id, key, audience, packed, stale_at from copy "
        "where module = 'locations' and seq > :after order by seq limit :most"
    )
    names = (*_KEY, *_TEXTS, *_DEGREES, "is_published", *_COUNTS, "stale_at")
    insert = sa.text(
        f"insert into place ({', '.join(names)}, changed_at) values ({', '.join(f':{name}' for name in names)}, now())"
    )
    after = 0
    while batch := connection.execute(copies, {"after": after, "most": BATCH_ROWS}).mappings().all():
        made = rows_of([{**row} for row in batch])
        connection.execute(
            insert, [{**row, "stale_at": copy["stale_at"]} for row, copy in zip(made, batch, strict=True)]
        )
        after = batch[-1]["seq"]


def downgrade() -> None:
    op.drop_table("place")
