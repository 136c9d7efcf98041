"""What has changed since the last snapshot, so that it need not be compiled whole."""

revision = "2026_11_22_0600"
down_revision = "2026_11_22_0000"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
