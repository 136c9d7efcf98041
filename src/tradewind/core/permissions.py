"""Roles and what each may do. Static and deny by default; every control route names one
permission.
"""

from enum import StrEnum
from typing import Protocol

from tradewind.core.errors import Forbidden


class Permission(StrEnum):
    MODELS_READ = "models:read"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    USAGE_READ = "usage:read"
    REQUESTS_READ = "requests:read"
    """What became of single calls. The log holds no prompt and no answer."""
    CONTENT_READ = "content:read"
    """Prompts and answers of single calls, where the organization keeps them."""
    DEPLOYMENTS_READ = "deployments:read"
    DEPLOYMENTS_WRITE = "deployments:write"
    PROVIDERS_READ = "providers:read"
    PROVIDERS_WRITE = "providers:write"
    ENDPOINTS_READ = "endpoints:read"
    ENDPOINTS_WRITE = "endpoints:write"
    LIMITS_READ = "limits:read"
    LIMITS_WRITE = "limits:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    ARTIFACTS_READ = "artifacts:read"
    """Files of models that the organization uploaded."""
    ARTIFACTS_WRITE = "artifacts:write"
    PUBLISHING_READ = "publishing:read"
    PUBLISHING_WRITE = "publishing:write"
    REVIEWS_READ = "reviews:read"
    """What waits to come into the catalog, and who asks for a publisher's name."""
    REVIEWS_WRITE = "reviews:write"
    """Deciding about it."""
    CATALOG_READ = "catalog:read"
    """What is known of models, whether anything here serves them or not."""
    CATALOG_WRITE = "catalog:write"
    """Accepting licences and ending the lives of own models; what is everybody's only for
    administrators of the platform."""
    BILLING_READ = "billing:read"
    """The organization's invoices, wallet and subscriptions."""
    BILLING_WRITE = "billing:write"
    SALES_READ = "sales:read"
    """Plans, earnings and payouts of the organization's publishers."""
    SALES_WRITE = "sales:write"
    FINANCE_READ = "finance:read"
    """The platform's own money: price book, ledger, exchange rates, taxes, payout runs; only for
    members of the organization that runs the platform."""
    FINANCE_WRITE = "finance:write"
    SAFETY_READ = "safety:read"
    """Policies, blocklists and what checks found; never a prompt or an answer."""
    SAFETY_WRITE = "safety:write"
    """Changing what is looked at and what follows, and keys that may switch it off."""
    REDTEAM_READ = "redteam:read"
    """Campaigns against models and what came of them in numbers."""
    REDTEAM_WRITE = "redteam:write"
    """Attacking models on purpose: it spends, and it switches safety policies off."""
    REDTEAM_TRANSCRIPTS = "redteam:transcripts"
    """What was said in an attack; each look is noted with its reason."""
    FEEDBACK_WRITE = "feedback:write"
    """Saying what one thought of an answer. The one thing that a key for models may write."""
    ACCOUNTS_READ = "accounts:read"
    """Who belongs to the organization, and its projects."""
    ACCOUNTS_WRITE = "accounts:write"
    PLATFORM_READ = "platform:read"
    """All organizations, by name."""
    PLATFORM_WRITE = "platform:write"
    """What belongs to no organization: everybody's endpoints and prices, other organizations."""


class Role(StrEnum):
    """A user's standing in one organization."""

    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"


_VIEWER = frozenset(
    {
        Permission.MODELS_READ,
        Permission.CATALOG_READ,
        Permission.USAGE_READ,
        Permission.REQUESTS_READ,
        Permission.DEPLOYMENTS_READ,
        Permission.LIMITS_READ,
        Permission.SAFETY_READ,
        Permission.REDTEAM_READ,
    }
)
_DEVELOPER = _VIEWER | {
    Permission.KEYS_READ,
    Permission.KEYS_WRITE,
    Permission.ACCOUNTS_READ,
    Permission.FEEDBACK_WRITE,
}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.DEVELOPER: _DEVELOPER,
    Role.ADMIN: frozenset(Permission),
}


PLATFORM_ONLY = frozenset(
    {
        Permission.PLATFORM_READ,
        Permission.PLATFORM_WRITE,
        Permission.REVIEWS_READ,
        Permission.REVIEWS_WRITE,
        Permission.FINANCE_READ,
        Permission.FINANCE_WRITE,
    }
)
"""What nobody has outside of the organization that runs the platform, whatever their role."""


def permissions_of(role: Role, *, of_platform: bool) -> frozenset[Permission]:
    """Return what a role may do, in the organization that runs the platform or in another one."""
    return PERMISSIONS[role] if of_platform else PERMISSIONS[role] - PLATFORM_ONLY


class MayAct(Protocol):
    """Whoever asks for something: a person, or a program with a key."""

    def may(self, permission: Permission) -> bool: ...


def require(actor: MayAct, permission: Permission) -> None:
    """Raise Forbidden unless `actor` may."""
    if not actor.may(permission):
        raise Forbidden(
            f"this needs the permission {permission.value}",
            hint="ask an administrator of the organization for a role that has it",
        )
