"""What billing raises beyond the leaves of `core.errors`."""

from tradewind.core.errors import Conflict


class NoBillingAccount(Conflict):
    """The organization is not charged: it has no billing account, or one that is switched off."""

    code = "no_billing_account"


class NoIssuer(Conflict):
    """Nobody said yet in whose name invoices are written."""

    code = "no_invoice_issuer"


class PeriodOpen(Conflict):
    """The period, or its time of grace, is not over."""

    code = "billing_period_open"


class PeriodBilled(Conflict):
    """A later period is on an invoice already."""

    code = "billing_period_billed"


class NothingToInvoice(Conflict):
    code = "nothing_to_invoice"


class InvoiceFinal(Conflict):
    """A finalized invoice is not edited: a credit note takes back of it."""

    code = "invoice_final"


class InvoiceNotFinal(Conflict):
    """A draft is neither paid nor credited."""

    code = "invoice_not_final"


class InvoiceOverpaid(Conflict):
    code = "invoice_overpaid"


class CreditTooLarge(Conflict):
    code = "credit_too_large"


class BillingKeyReused(Conflict):
    """The key belongs to another payment or credit note."""

    code = "billing_key_reused"


class CloseRunning(Conflict):
    """A month is being closed already; only one is at a time."""

    code = "billing_close_running"


class TaxRuleTaken(Conflict):
    """There is a rule for the same countries, kind of buyer and first day."""

    code = "tax_rule_taken"
