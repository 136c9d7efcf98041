"""Taxes by the table that finance keeps."""

from sqlalchemy import Connection

from tradewind.features.billing.ports import Taxable
from tradewind.features.billing.repository import accounts
from tradewind.features.billing.rules.taxes import tax_for
from tradewind.features.billing.schemas import Tax

TAX_RULES_MAX = 1_000


class TaxTable:
    """The port TaxService, answered by the rules that finance keeps."""

    def tax(self, tx: Connection, sale: Taxable) -> Tax:
        rules = [rule for _, rule in accounts.list_tax_rules(tx, TAX_RULES_MAX)]
        return tax_for(
            rules,
            seller=sale.seller_country,
            buyer=sale.buyer_country,
            kind=sale.buyer_kind,
            on=sale.on,
        )
