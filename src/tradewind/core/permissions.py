"""Roles and what each may do. Static and deny by default; every control route names one
permission.
"""

from enum import StrEnum


class Permission(StrEnum):
    MODELS_READ = "models:read"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    USAGE_READ = "usage:read"
    DEPLOYMENTS_READ = "deployments:read"
    DEPLOYMENTS_WRITE = "deployments:write"
    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_WRITE = "accounts:write"


class Role(StrEnum):
    """A user's standing in one organization."""

    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"


_VIEWER = frozenset({Permission.MODELS_READ, Permission.USAGE_READ, Permission.DEPLOYMENTS_READ})
_DEVELOPER = _VIEWER | {Permission.KEYS_READ, Permission.KEYS_WRITE}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.DEVELOPER: _DEVELOPER,
    Role.ADMIN: frozenset(Permission),
}
