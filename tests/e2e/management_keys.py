"""Keys that may everything, made beside a running platform as the Keys page makes them."""

from tests.e2e.running_platform import RunningPlatform
from tradewind.core.ids import OrganizationId, ProjectId, UserId
from tradewind.core.permissions import Role
from tradewind.core.settings import Settings
from tradewind.features.accounts.schemas import KeyPurpose, Viewer
from tradewind.serve.operating import operating


def make_key(
    platform: RunningPlatform,
    purpose: KeyPurpose = KeyPurpose.MANAGEMENT,
    *,
    organization: str | None = None,
) -> str:
    """Return the text of a key of an administrator's: of this organization, or the platform's."""
    [(user, owner, project, is_platform)] = platform.query(
        "SELECT user_id, membership.organization_id, project.id, organization.is_platform"
        " FROM membership JOIN project USING (organization_id)"
        " JOIN organization ON organization.id = membership.organization_id"
        " WHERE CASE WHEN %s::text IS NULL THEN organization.is_platform"
        " ELSE organization.id = %s END LIMIT 1",
        organization,
        organization,
    )
    administrator = Viewer(
        user_id=UserId(user),
        email="admin@localhost",
        name="Administrator",
        organization_id=OrganizationId(owner),
        organization_name="",
        project_id=ProjectId(project),
        project_name="",
        role=Role.ADMIN,
        is_of_platform=is_platform,
        has_password=False,
        csrf_token="",
    )
    with operating(Settings(data=platform.data)) as at, at.database.transaction() as tx:
        return at.services.accounts.create_key(tx, administrator, name="All", purpose=purpose).text
