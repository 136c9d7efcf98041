"""Responses and request contents that organizations keep."""

revision = "2026_11_22_0640"
down_revision = "2026_11_22_0630"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
