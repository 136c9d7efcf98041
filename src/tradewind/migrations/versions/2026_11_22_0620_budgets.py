"""Limits and terms of organizations and projects; budgets, and what gateways hold of them."""

revision = "2026_11_22_0620"
down_revision = "2026_11_22_0610"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
