"""What an organization calls over its own accounts is shown, and charged by nobody."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_22_1490"
down_revision = "2026_11_22_1480"
branch_labels = None
depends_on = None

_KEY = ("node", "boot_ns", "organization_id", "day", "project_id", "key_id", "currency")
# The price that such calls were counted at so far becomes the one that is shown.
_SHOW = """
    INSERT INTO price (
        id, model_id, currency, input_nanos, output_nanos, cached_input_nanos, cache_write_nanos,
        meters, created_at, effective_at, is_charged, is_free, organization_id
    )
    SELECT DISTINCT ON (endpoint.organization_id, price.model_id)
        'price_' || left(replace(gen_random_uuid()::text, '-', ''), 26), price.model_id,
        price.currency, price.input_nanos, price.output_nanos, price.cached_input_nanos,
        price.cache_write_nanos, price.meters, now(), now(), false, price.is_free,
        endpoint.organization_id
    FROM endpoint
    JOIN price ON price.model_id = endpoint.model_id AND price.organization_id IS NULL
        AND price.effective_at <= now()
    WHERE endpoint.organization_id IS NOT NULL
        AND EXISTS (SELECT FROM endpoint_target WHERE endpoint_id = endpoint.id)
        AND NOT EXISTS (
            SELECT FROM endpoint_target
            LEFT JOIN provider_connection ON provider_connection.id = endpoint_target.connection_id
            WHERE endpoint_target.endpoint_id = endpoint.id
                AND provider_connection.organization_id
                    IS DISTINCT FROM endpoint.organization_id
        )
    ORDER BY endpoint.organization_id, price.model_id, price.effective_at DESC,
        price.created_at DESC, price.id DESC
"""


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_price_own"), "price", "organization_id IS NULL OR NOT is_charged"
    )
    op.execute(_SHOW)
    op.add_column(
        "usage_writer_day",
        sa.Column("price_id", sa.Text(), server_default=sa.text("''"), nullable=False),
    )
    op.drop_constraint(op.f("pk_usage_writer_day"), "usage_writer_day")
    op.create_primary_key(
        op.f("pk_usage_writer_day"), "usage_writer_day", [*_KEY[:-1], "price_id", _KEY[-1]]
    )


def downgrade() -> None:
    op.execute(
        """
        CREATE TEMPORARY TABLE kept ON COMMIT DROP AS
        SELECT node, boot_ns, organization_id, day, project_id, key_id, currency,
            sum(cost_nanos) AS cost_nanos
        FROM usage_writer_day GROUP BY 1, 2, 3, 4, 5, 6, 7
        """
    )
    op.execute("DELETE FROM usage_writer_day")
    op.drop_constraint(op.f("pk_usage_writer_day"), "usage_writer_day")
    op.drop_column("usage_writer_day", "price_id")
    op.create_primary_key(op.f("pk_usage_writer_day"), "usage_writer_day", list(_KEY))
    op.execute("INSERT INTO usage_writer_day SELECT * FROM kept")
    op.drop_constraint(op.f("ck_price_own"), "price", type_="check")
