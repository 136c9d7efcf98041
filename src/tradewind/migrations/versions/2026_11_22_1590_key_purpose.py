"""Keys of red teams: a purpose of their own, and always an expiry."""

from alembic import op

revision = "2026_11_22_1590"
down_revision = "2026_11_22_1577"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _replace_check(
        "purpose", "purpose IN ('client', 'playground', 'start_up', 'management', 'red_team')"
    )
    op.create_check_constraint(
        op.f("ck_api_key_red_team"), "api_key", "purpose <> 'red_team' OR expires_at IS NOT NULL"
    )


def downgrade() -> None:
    # A key of a red team would have to become one of another kind: then this stops here.
    op.drop_constraint(op.f("ck_api_key_red_team"), "api_key", type_="check")
    _replace_check("purpose", "purpose IN ('client', 'playground', 'start_up', 'management')")


def _replace_check(name: str, condition: str) -> None:
    constraint = op.f(f"ck_api_key_{name}")
    op.drop_constraint(constraint, "api_key", type_="check")
    op.create_check_constraint(constraint, "api_key", condition)
