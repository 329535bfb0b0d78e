"""first tables"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "callback",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("answerer", sa.String(), nullable=False),
        sa.Column("correlation_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_callback_expires_at"), "callback", ["expires_at"], unique=False)
    op.create_table(
        "claim",
        sa.Column("creditor", sa.String(), nullable=False),
        sa.Column("cdr_key", sa.String(), nullable=False),
        sa.Column("cdr_id", sa.String(), nullable=False),
        sa.Column("debtor", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("excl_vat", sa.Numeric(), nullable=False),
        sa.Column("incl_vat", sa.Numeric(), nullable=True),
        sa.Column("is_credit", sa.Boolean(), nullable=False),
        sa.Column("end_date_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("creditor", "cdr_key"),
    )
    op.create_index(op.f("ix_claim_end_date_time"), "claim", ["end_date_time"], unique=False)
    op.create_table(
        "copy",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("country_code", sa.String(), nullable=False),
        sa.Column("party_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("addressee", sa.String(), nullable=False),
        sa.Column("last_updated", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("remote_url", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("module", "country_code", "party_id", "key", "variant", "audience"),
    )
    op.create_index("ix_copy_addressee", "copy", ["module", "addressee", "seq"], unique=False)
    op.create_index("ix_copy_changed", "copy", ["module", "last_updated"], unique=False)
    op.create_index("ix_copy_key", "copy", ["module", "key"], unique=False)
    op.create_index("ix_copy_page", "copy", ["module", "audience", "seq"], unique=False)
    op.create_table(
        "due",
        sa.Column("creditor", sa.String(), nullable=False),
        sa.Column("cdr_key", sa.String(), nullable=False),
        sa.Column("payer", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_answer", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("creditor", "cdr_key"),
    )
    op.create_index(op.f("ix_due_payer"), "due", ["payer"], unique=False)
    op.create_table(
        "invitation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_table(
        "partner",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("versions_url", sa.String(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("token_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_table(
        "endpoint",
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("module_id", sa.String(), nullable=False),
        sa.Column("interface", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"],
            ["partner.id"],
        ),
        sa.PrimaryKeyConstraint("partner_id", "module_id", "interface"),
    )
    op.create_table(
        "party",
        sa.Column("country_code", sa.String(), nullable=False),
        sa.Column("party_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("partner_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("business_details", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("last_updated", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"],
            ["partner.id"],
        ),
        sa.PrimaryKeyConstraint("country_code", "party_id", "role"),
    )
    op.create_index(op.f("ix_party_partner_id"), "party", ["partner_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_party_partner_id"), table_name="party")
    op.drop_table("party")
    op.drop_table("endpoint")
    op.drop_table("partner")
    op.drop_table("invitation")
    op.drop_index(op.f("ix_due_payer"), table_name="due")
    op.drop_table("due")
    op.drop_index("ix_copy_page", table_name="copy")
    op.drop_index("ix_copy_key", table_name="copy")
    op.drop_index("ix_copy_changed", table_name="copy")
    op.drop_index("ix_copy_addressee", table_name="copy")
    op.drop_table("copy")
    op.drop_index(op.f("ix_claim_end_date_time"), table_name="claim")
    op.drop_table("claim")
    op.drop_index(op.f("ix_callback_expires_at"), table_name="callback")
    op.drop_table("callback")
