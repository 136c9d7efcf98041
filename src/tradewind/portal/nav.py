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
            NavItem("Sinks", "/sinks", "up", Permission.BILLING_READ, "j"),
            NavItem("People", "/people", "person", Permission.ACCOUNTS_READ, "4"),
        ),
    ),
    NavGroup(
        "Govern",
        (
            NavItem("Safety", "/safety", "lock", Permission.SAFETY_READ, "8"),
            NavItem("Red team", "/red-team", "warning", Permission.REDTEAM_READ, "9"),
            NavItem("Releases", "/releases", "check", Permission.PUBLISHING_READ, "0"),
            NavItem("Abuse", "/abuse", "bell", Permission.SAFETY_READ, "."),
        ),
    ),
    NavGroup(
        "Buy",
        (
            NavItem("Subscriptions", "/subscriptions", "tag", Permission.BILLING_READ, "s"),
            NavItem("Wallet", "/wallet", "wallet", Permission.BILLING_READ, "y"),
            NavItem("Invoices", "/invoices", "list", Permission.BILLING_READ, "n"),
        ),
    ),
    NavGroup(
        "Sell",
        (
            NavItem("Publish", "/publish", "send", Permission.PUBLISHING_READ, "i"),
            NavItem("Sales", "/sales", "tag", Permission.SALES_READ, "a"),
            NavItem("Earnings", "/earnings", "chart", Permission.SALES_READ, "x"),
        ),
    ),
    NavGroup(
        "Run the platform",
        (
            NavItem("Organizations", "/organizations", "grid", Permission.PLATFORM_READ, "7"),
            NavItem("Reviews", "/reviews", "check", Permission.REVIEWS_READ, "t"),
            NavItem("Price book", "/prices", "tag", Permission.FINANCE_READ, "o"),
            NavItem("Margins", "/margins", "gauge", Permission.FINANCE_READ, "5"),
            NavItem("Price keys", "/price-keys", "key", Permission.FINANCE_READ, "6"),
            NavItem("Billing runs", "/billing", "play", Permission.FINANCE_READ, "1"),
            NavItem("Taxes", "/taxes", "check", Permission.FINANCE_READ, "2"),
            NavItem("Exchange rates", "/fx", "columns", Permission.FINANCE_READ, "3"),
            NavItem("Bank", "/bank", "list", Permission.FINANCE_READ, "z"),
            NavItem("Payouts", "/payouts", "send", Permission.FINANCE_READ, "f"),
            NavItem("Reconciliation", "/reconciliation", "check", Permission.FINANCE_READ, "q"),
        ),
    ),
)
