"""The terms of invoices: who is charged and how, who sells, taxes, and labels of projects."""

import re
from dataclasses import replace
from datetime import date

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.ids import TaxRuleId
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.billing.errors import TaxRuleTaken
from tradewind.features.billing.repository import accounts, labels, settling
from tradewind.features.billing.rules import periods
from tradewind.features.billing.rules.labels import check_label
from tradewind.features.billing.rules.parties import check_party
from tradewind.features.billing.rules.taxes import TaxRule
from tradewind.features.billing.schemas import BillingAccount, Issuer, Label, Mode
from tradewind.features.billing.tax_table import TAX_RULES_MAX

PAGE_MAX = 1_000
_CURRENCY = re.compile(r"[A-Z]{3}")


class BillingTerms:
    """The part of `Billing` that reads and writes them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def account(self, tx: Connection, organization_id: str) -> BillingAccount | None:
        return accounts.find_account(tx, organization_id)

    def accounts(
        self, tx: Connection, *, after: str = "", limit: int = 100
    ) -> list[BillingAccount]:
        """Return accounts in the order of their organizations' ids."""
        return accounts.list_accounts(tx, after, min(limit, PAGE_MAX))

    def set_account(self, tx: Connection, account: BillingAccount) -> BillingAccount | None:
        """Store an account; `revision` is the one it was read with, 0 for a new one. None where
        somebody else changed it meanwhile.

        Usage from `billed_from` on is charged; what was used before the account was opened is
        compared too. An earlier `billed_from` than before charges what was free: it only ever
        moves forward.
        """
        check_party(account.party)
        if not _CURRENCY.fullmatch(account.currency):
            raise InvalidInput("`currency` is not three capital letters")
        if not 0 <= account.payment_terms_days <= 365:
            raise InvalidInput("`payment_terms_days` is not between 0 and 365")
        if not accounts.is_organization(tx, account.organization_id):
            raise NotFound(f"there is no organization {account.organization_id[:64]!r}")
        now = self._clock.now()
        former = accounts.find_account(tx, account.organization_id, for_update=True)
        since = periods.hour_start(account.billed_from)
        if former is not None and former.mode is not Mode.NONE:
            since = max(since, former.billed_from)
        stored = replace(account, billed_from=since, revision=account.revision + 1)
        if not accounts.write_account(tx, stored, now):
            return None
        if stored.mode is not Mode.NONE and (former is None or former.mode is Mode.NONE):
            settling.make_due(tx, account.organization_id, since)
        # Gateways ask of whom is charged that somebody confirmed who pays.
        record_change(tx, ChangeKind.TERMS, [account.organization_id])
        return stored

    def issuer(self, tx: Connection) -> Issuer | None:
        return accounts.find_issuer(tx)

    def set_issuer(self, tx: Connection, issuer: Issuer) -> None:
        check_party(issuer.party)
        if len(issuer.payment_details) > 1000:
            raise InvalidInput("`payment_details` is longer than 1000 characters")
        accounts.set_issuer(tx, issuer, self._clock.now())

    def tax_rules(self, tx: Connection) -> list[tuple[str, TaxRule]]:
        return accounts.list_tax_rules(tx, TAX_RULES_MAX)

    def add_tax_rule(self, tx: Connection, rule: TaxRule) -> TaxRuleId:
        """Raises TaxRuleTaken where there is one for the same countries, kind and first day."""
        rule_id = TaxRuleId.new()
        if not accounts.add_tax_rule(tx, rule_id, rule, self._clock.now()):
            raise TaxRuleTaken(
                f"sales from {rule.seller_country} to {rule.buyer_country} have a rule from that"
                " day on",
                hint="remove it first, or let this one begin another day",
            )
        return rule_id

    def remove_tax_rule(self, tx: Connection, rule_id: str) -> None:
        """Raises NotFound. Invoices keep the tax that they were finalized with."""
        if not accounts.remove_tax_rule(tx, rule_id):
            raise NotFound(f"there is no tax rule {rule_id[:64]!r}")

    def end_tax_rule(self, tx: Connection, rule_id: str, valid_until: date) -> None:
        """Let a rule hold until a day, the first on which it no longer does. Raises NotFound,
        InvalidInput.
        """
        found = dict(accounts.list_tax_rules(tx, TAX_RULES_MAX)).get(rule_id)
        if found is None:
            raise NotFound(f"there is no tax rule {rule_id[:64]!r}")
        if valid_until <= found.valid_from:
            raise InvalidInput(f"this rule holds from {found.valid_from} on: it ends later")
        accounts.end_tax_rule(tx, rule_id, valid_until)

    def labels(self, tx: Connection, organization_id: str) -> dict[str, Label]:
        """Return cost centres and tags of projects, by the project's id."""
        found = labels.labels_of(tx, [organization_id])
        return {project_id: label for (_, project_id), label in found.items()}

    def set_label(
        self, tx: Connection, organization_id: str, project_id: str, label: Label
    ) -> None:
        """Say what invoices carry beside a project from the next draft on. Raises NotFound."""
        check_label(label)
        if not labels.is_project(tx, organization_id, project_id):
            raise NotFound(f"there is no project {project_id[:64]!r}")
        labels.set_label(tx, organization_id, project_id, label, self._clock.now())
