"""Meters and hosts are settled, what is paid ahead is earned by the month, projects have labels."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_22_1550"
down_revision = "2026_11_22_1540"
branch_labels = None
depends_on = None

_TABLES = ("project_label", "deferral", "settlement_host", "settlement_meter")
_STAY = ("settlement_meter", "settlement_host")
_STAYS = """
    CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
# What hosts took, and what only some calls have, was not settled until now.
_COMPARE_AGAIN = """
    INSERT INTO settlement_due (organization_id, hour)
    SELECT organization_id, hour FROM usage_hour_host
    UNION SELECT organization_id, hour FROM usage_hour_meter
    ORDER BY 1, 2
    ON CONFLICT (organization_id, hour) DO UPDATE SET hour = excluded.hour WHERE false
"""


def upgrade() -> None:
    _add_settled()
    _add_deferral()
    _add_labels()
    for table in _STAY:
        op.execute(_STAYS.format(table=table))
    op.execute(_COMPARE_AGAIN)


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)


def _add_settled() -> None:
    op.create_table(
        "settlement_meter",
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("is_batch", sa.Boolean(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False, comment="of the line"),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False, comment="of the line"),
        sa.ForeignKeyConstraint(
            ["line"],
            ["settlement_line.number"],
            name=op.f("fk_settlement_meter_line_settlement_line"),
        ),
        sa.PrimaryKeyConstraint("line", "meter", "is_batch", name=op.f("pk_settlement_meter")),
        comment="what a line has of usage_hour_meter; never changed",
    )
    op.create_index(
        op.f("ix_settlement_meter_organization_id_hour"),
        "settlement_meter",
        ["organization_id", "hour"],
        unique=False,
    )
    op.create_table(
        "settlement_host",
        sa.Column("settlement", sa.BigInteger(), nullable=False, comment="its number"),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False, comment="the host's"),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("cost_nanos", sa.Numeric(38, 0), nullable=False),
        sa.PrimaryKeyConstraint(
            "settlement",
            "organization_id",
            "hour",
            "host",
            "currency",
            name=op.f("pk_settlement_host"),
        ),
        comment="by how much what a host took for an hour differed from what was entered; never"
        " changed",
    )
    op.create_index(
        op.f("ix_settlement_host_organization_id_hour"),
        "settlement_host",
        ["organization_id", "hour"],
        unique=False,
    )


def _add_deferral() -> None:
    op.create_table(
        "deferral",
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "seller", sa.Text(), nullable=False, comment="who earns it; empty is the platform"
        ),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("nanos", sa.Numeric(38, 0), nullable=False),
        sa.Column(
            "fee_nanos", sa.Numeric(38, 0), nullable=False, comment="the platform's part of it"
        ),
        sa.Column("earned_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "left_nanos", sa.Numeric(38, 0), nullable=False, comment="neither earned nor credited"
        ),
        sa.Column("left_fee_nanos", sa.Numeric(38, 0), nullable=False),
        sa.CheckConstraint(
            "since <= earned_until AND earned_until <= until", name=op.f("ck_deferral_span")
        ),
        sa.CheckConstraint(
            "left_nanos BETWEEN least(nanos, 0) AND greatest(nanos, 0)"
            " AND left_fee_nanos BETWEEN least(fee_nanos, 0) AND greatest(fee_nanos, 0)",
            name=op.f("ck_deferral_left"),
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id", "seq"],
            ["invoice_line.invoice_id", "invoice_line.seq"],
            name=op.f("fk_deferral_invoice_id_seq_invoice_line"),
        ),
        sa.PrimaryKeyConstraint("invoice_id", "seq", name=op.f("pk_deferral")),
        comment="a line that is paid ahead, and how much of it is not earned yet",
    )
    op.create_index(
        op.f("ix_deferral_earned_until"),
        "deferral",
        ["earned_until"],
        unique=False,
        postgresql_where=sa.text("left_nanos <> 0"),
    )
    op.create_index(
        op.f("ix_deferral_organization_id"), "deferral", ["organization_id"], unique=False
    )


def _add_labels() -> None:
    op.create_table(
        "project_label",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column(
            "cost_centre", sa.Text(), nullable=False, comment="as the buyer's own books name it"
        ),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "char_length(cost_centre) <= 100", name=op.f("ck_project_label_cost_centre")
        ),
        sa.CheckConstraint("jsonb_typeof(tags) = 'object'", name=op.f("ck_project_label_tags")),
        sa.ForeignKeyConstraint(
            ["organization_id", "project_id"],
            ["project.organization_id", "project.id"],
            name=op.f("fk_project_label_organization_id_project_id_project"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "project_id", name=op.f("pk_project_label")),
        comment="what invoices and exports say of a project's usage beside its name",
    )
