"""The rail: which pages exist, in which order, and who sees them.

Hiding an item is a courtesy; the handler of each page checks the right again.
"""

from typing import NamedTuple

from tradewind.core.permissions import Permission


class NavItem(NamedTuple):
    """One page in the rail. `shortcut` is the letter that follows `g` on the keyboard."""

    label: str
    path: str
    icon: str
    permission: Permission | None
    shortcut: str


class NavGroup(NamedTuple):
    """Items under one heading; the first group has none."""

    heading: str | None
    items: tuple[NavItem, ...]


NAV = (
    NavGroup(
        None,
        (
            NavItem("Home", "/", "home", None, "h"),
            NavItem("Models", "/models", "grid", Permission.MODELS_READ, "m"),
            NavItem("Publish", "/publish", "send", Permission.PUBLISHING_READ, "i"),
            NavItem("Reviews", "/reviews", "check", Permission.REVIEWS_READ, "t"),
            NavItem("Compare", "/compare", "columns", Permission.MODELS_READ, "c"),
            NavItem("Playground", "/playground", "chat", Permission.KEYS_WRITE, "p"),
        ),
    ),
    NavGroup(
        "Operate",
        (
            NavItem("Deployments", "/deployments", "server", Permission.DEPLOYMENTS_READ, "d"),
            NavItem("Endpoints", "/endpoints", "route", Permission.MODELS_READ, "e"),
            NavItem("Providers", "/providers", "plug", Permission.MODELS_READ, "v"),
            NavItem("Usage and cost", "/usage", "chart", Permission.USAGE_READ, "u"),
            NavItem("Requests", "/requests", "list", Permission.REQUESTS_READ, "r"),
            NavItem("API keys", "/keys", "key", Permission.KEYS_READ, "k"),
            NavItem("Limits", "/limits", "gauge", Permission.LIMITS_READ, "l"),
            NavItem("Budgets", "/budgets", "wallet", Permission.LIMITS_READ, "b"),
            NavItem("Webhooks", "/webhooks", "bell", Permission.WEBHOOKS_READ, "w"),
        ),
    ),
    NavGroup(
        "Money",
        (
            NavItem("Wallet", "/wallet", "wallet", Permission.BILLING_READ, "y"),
            NavItem("Bank", "/bank", "list", Permission.FINANCE_READ, "z"),
            NavItem("Invoices", "/invoices", "list", Permission.BILLING_READ, "n"),
            NavItem("Price book", "/prices", "tag", Permission.FINANCE_READ, "o"),
        ),
    ),
)
