"""What the request log shows of a call beyond its bill."""

revision = "2026_11_22_0630"
down_revision = "2026_11_22_0620"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
