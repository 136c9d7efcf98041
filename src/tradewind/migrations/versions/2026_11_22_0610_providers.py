"""Connections to providers with their sealed credentials, and endpoints with their targets."""

revision = "2026_11_22_0610"
down_revision = "2026_11_22_0600"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
