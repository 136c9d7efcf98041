"""People who call the control API, each with a management key of their own."""

from dataclasses import dataclass, field

from httpx2 import Response
from sqlalchemy import Connection, insert
from starlette.testclient import TestClient

from tradewind.core.clock import SystemClock
from tradewind.core.ids import OrganizationId, ProjectId, UserId
from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.accounts.tables import membership, organization, project, user_account


@dataclass(frozen=True)
class Caller:
    client: TestClient
    viewer: Viewer
    key: str = field(repr=False)

    def __call__(self, method: str, path: str, body=None, **headers: str) -> Response:
        """Call what is at `path` below `/api`; a header `if_match` is `if-match`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["authorization"] = f"Bearer {self.key}"
        return self.client.request(method, f"/api{path}", json=body, headers=sent)

    def done(self, method: str, path: str, body=None, **headers: str) -> dict:
        """Call it, and return the answer to what succeeded."""
        answer = self(method, path, body, **headers)
        assert answer.is_success, answer.text
        return answer.json()


def add_administrator(tx: Connection, name: str, beside: Viewer | None = None) -> Viewer:
    """Add a person to an organization: that of `beside`, or one of their own."""
    now, user_id = SystemClock().now(), UserId.new()
    organization_id = beside.organization_id if beside else OrganizationId.new()
    project_id = beside.project_id if beside else ProjectId.new()
    if beside is None:
        tx.execute(insert(organization).values(id=organization_id, name=name, created_at=now))
        tx.execute(
            insert(project).values(
                id=project_id, organization_id=organization_id, name="Default", created_at=now
            )
        )
    email = f"{name.lower()}@example.org"
    tx.execute(insert(user_account).values(id=user_id, email=email, name=name, created_at=now))
    tx.execute(
        insert(membership).values(user_id=user_id, organization_id=organization_id, role="admin")
    )
    return Viewer(
        user_id=user_id,
        email=email,
        name=name,
        organization_id=organization_id,
        organization_name="",
        project_id=project_id,
        project_name="",
        role=Role.ADMIN,
        is_of_platform=beside is not None and beside.is_of_platform,
        has_password=False,
        csrf_token="",
    )
