"""copies packed by us, keyed by what they are, counted as they change"""

import sqlalchemy as sa
from alembic import op

from hub.store.pack import pack

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BATCH_ROWS = 1000

_HAS_ADDRESSEE = sa.text("addressee <> ''")
_KEY = ["key", "module", "country_code", "party_id", "variant", "audience"]


def upgrade() -> None:
    op.add_column("copy", sa.Column("packed", sa.LargeBinary(), nullable=True))
    _pack_all()
    op.drop_column("copy", "text")
    op.alter_column("copy", "packed", nullable=False)
    # what is packed cannot be made smaller: without this PostgreSQL tries, each time
    op.execute("alter table copy alter column packed set storage external")
    op.execute("alter table copy set (fillfactor = 80)")
    op.drop_constraint("copy_pkey", "copy", type_="primary")
    op.drop_constraint("copy_module_country_code_party_id_key_variant_audience_key", "copy", type_="unique")
    op.create_primary_key("copy_pkey", "copy", _KEY)
    op.drop_index("ix_copy_key", table_name="copy")
    op.drop_index("ix_copy_addressee", table_name="copy")
    op.create_index("ix_copy_addressee", "copy", ["module", "addressee", "seq"], postgresql_where=_HAS_ADDRESSEE)
    op.create_index(
        "ix_copy_owner", "copy", ["module", "country_code", "party_id", "seq"], postgresql_where=_HAS_ADDRESSEE
    )
    op.create_index(
        "ix_copy_addressee_changed", "copy", ["module", "addressee", "last_updated"], postgresql_where=_HAS_ADDRESSEE
    )
    op.create_index(
        "ix_copy_owner_changed",
        "copy",
        ["module", "country_code", "party_id", "last_updated"],
        postgresql_where=_HAS_ADDRESSEE,
    )
    op.create_index("ix_copy_stale", "copy", ["module"], postgresql_where=sa.text("stale_at is not null"))
    op.create_table(
        "copy_count",
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("country_code", sa.String(), nullable=False),
        sa.Column("party_id", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("addressee", sa.String(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("module", "country_code", "party_id", "audience", "addressee", "slot"),
    )
    op.create_index("ix_copy_count_addressee", "copy_count", ["module", "addressee"])
    op.execute(
        "insert into copy_count select module, country_code, party_id, audience, addressee, 0, count(*) from copy "
        "where stale_at is null group by 1, 2, 3, 4, 5"
    )


def _pack_all() -> None:
    connection = op.get_bind()
    rows = sa.text("select seq, text from copy where seq > :after order by seq limit :most")
    after = 0
    while batch := connection.execute(rows, {"after": after, "most": BATCH_ROWS}).all():
        packed = [{"seq": row.seq, "packed": pack(row.text.encode())} for row in batch]
        connection.execute(sa.text("update copy set packed = :packed where seq = :seq"), packed)
        after = batch[-1].seq
