"""The routes of billing: members read their invoices, whoever runs the platform writes them."""

from typing import Annotated

from fastapi import Path, Query, Response

from tradewind.control.access import Call, Routes
from tradewind.control.billing_answers import (
    AccountAnswer,
    AccountBody,
    CloseAnswer,
    CloseBody,
    CloseList,
    CreditBody,
    CreditNoteAnswer,
    DraftBody,
    DraftList,
    InvoiceAnswer,
    InvoiceDetail,
    InvoiceLineAnswer,
    InvoicePage,
    IssuerBody,
    TaxRuleAnswer,
    TaxRuleBody,
    TaxRuleList,
)
from tradewind.control.billing_labels import (
    AccountPage,
    LabelAnswer,
    LabelBody,
    LabelList,
    SettledAnswer,
)
from tradewind.control.pages import After, Limit
from tradewind.control.services import ControlServices
from tradewind.control.span import in_utc
from tradewind.core.errors import Conflict
from tradewind.core.permissions import Permission
from tradewind.features.billing.office import Office
from tradewind.features.billing.papers.formats import PaperFormat, paper
from tradewind.features.billing.schemas import InvoiceState
from tradewind.readmodels.invoice_evidence import events_csv, settlement_csv

_Id = Annotated[str, Path(max_length=100)]


def add_billing_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/billing`."""
    office = Office(services.billing, services.closing)
    _add_for_members(routes, office)
    _add_settings(routes, office)
    _add_writing(routes, office)


def _add_for_members(routes: Routes, office: Office) -> None:
    reads = Permission.BILLING_READ

    @routes.get(
        "/billing/account", permission=reads, summary="The organization's billing account, or null"
    )
    def own_account(call: Call) -> AccountAnswer | None:
        found = office.own_account(call.tx, call.holder)
        return None if found is None else AccountAnswer.of(found)

    @routes.get("/billing/invoices", permission=reads, summary="The organization's invoices")
    def own_invoices(
        call: Call, state: InvoiceState | None = None, limit: Limit = 100, after: After = None
    ) -> InvoicePage:
        rows = office.own_invoices(call.tx, call.holder, state=state, before=after, limit=limit + 1)
        shown = rows[:limit]
        return InvoicePage(
            invoices=[InvoiceAnswer.of(row) for row in shown],
            next=shown[-1].invoice_id if len(rows) > limit else None,
        )

    @routes.get("/billing/invoices/{invoice_id}", permission=reads, summary="An invoice")
    def invoice(call: Call, invoice_id: _Id) -> InvoiceDetail:
        row, lines, credit_notes = office.invoice(call.tx, call.holder, invoice_id)
        return InvoiceDetail(
            invoice=InvoiceAnswer.of(row),
            lines=[
                InvoiceLineAnswer.of(seq, line, share, row.currency)
                for seq, (line, share) in enumerate(lines, start=1)
            ],
            credit_notes=[CreditNoteAnswer.of(each) for each in credit_notes],
        )

    @routes.get(
        "/billing/invoices/{invoice_id}/paper",
        permission=reads,
        summary="A finalized invoice, or what it was made from, as a file",
    )
    def file(
        call: Call,
        invoice_id: _Id,
        form: Annotated[PaperFormat, Query(alias="format")] = PaperFormat.PDF,
    ) -> Response:
        frozen = office.frozen(call.tx, call.holder, invoice_id)
        match form:
            case PaperFormat.SETTLEMENT:
                lines = office.evidence(call.tx, call.holder, invoice_id)
                data = settlement_csv(lines).encode()
            case PaperFormat.EVENTS:
                data = events_csv(call.tx, invoice_id).encode()
            case _:
                data = paper(frozen, form)
        return _file(frozen.content.number, form, data)

    @routes.get(
        "/billing/credit-notes/{credit_note_id}/paper",
        permission=reads,
        summary="A credit note as a file; it has no settlement lines and no calls of its own",
    )
    def credit_file(
        call: Call,
        credit_note_id: _Id,
        form: Annotated[PaperFormat, Query(alias="format")] = PaperFormat.PDF,
    ) -> Response:
        frozen = office.frozen_credit(call.tx, call.holder, credit_note_id)
        return _file(frozen.content.number, form, paper(frozen, form))

    @routes.get(
        "/billing/labels", permission=reads, summary="Cost centres and tags of the projects"
    )
    def labels(call: Call) -> LabelList:
        return LabelList.of(office.own_labels(call.tx, call.holder))

    @routes.put(
        "/billing/labels/{project_id}",
        permission=Permission.BILLING_WRITE,
        summary="Say which cost centre and tags the usage of a project carries from now on",
    )
    def set_label(call: Call, project_id: _Id, body: LabelBody) -> LabelAnswer:
        label = body.to_label()
        office.set_own_label(call.tx, call.holder, project_id, label)
        return LabelAnswer.of(project_id, label)


def _file(number: str, form: PaperFormat, data: bytes) -> Response:
    return Response(
        data,
        media_type=form.media_type,
        headers={"content-disposition": f'attachment; filename="{number}.{form.suffix}"'},
    )


def _add_settings(routes: Routes, office: Office) -> None:
    reads, writes = Permission.FINANCE_READ, Permission.FINANCE_WRITE

    @routes.get(
        "/billing/issuer", permission=reads, summary="In whose name invoices are written, or null"
    )
    def issuer(call: Call) -> IssuerBody | None:
        found = office.issuer(call.tx, call.holder)
        return None if found is None else IssuerBody.of(found)

    @routes.put(
        "/billing/issuer", permission=writes, summary="Say in whose name invoices are written"
    )
    def set_issuer(call: Call, body: IssuerBody) -> IssuerBody:
        office.set_issuer(call.tx, call.holder, body.to_issuer())
        return body

    @routes.get("/billing/accounts", permission=reads, summary="Everybody's billing accounts")
    def all_accounts(call: Call, limit: Limit = 100, after: After = None) -> AccountPage:
        rows = office.accounts(call.tx, call.holder, after=after or "", limit=limit + 1)
        shown = rows[:limit]
        return AccountPage(
            accounts=[AccountAnswer.of(row) for row in shown],
            next=shown[-1].organization_id if len(rows) > limit else None,
        )

    @routes.get(
        "/billing/accounts/{organization_id}", permission=reads, summary="A billing account"
    )
    def account(call: Call, organization_id: _Id) -> AccountAnswer:
        return AccountAnswer.of(office.account(call.tx, call.holder, organization_id))

    @routes.put(
        "/billing/accounts/{organization_id}",
        permission=writes,
        summary="Say how an organization is charged, and to whom its invoices are written",
    )
    def set_account(call: Call, organization_id: _Id, body: AccountBody) -> AccountAnswer:
        stored = office.set_account(call.tx, call.holder, body.to_account(organization_id))
        if stored is None:
            raise Conflict("somebody else changed this account", hint="read it again")
        return AccountAnswer.of(stored)

    @routes.get("/billing/tax-rules", permission=reads, summary="Which taxes invoices bear")
    def tax_rules(call: Call) -> TaxRuleList:
        found = office.tax_rules(call.tx, call.holder)
        return TaxRuleList(tax_rules=[TaxRuleAnswer.of(*each) for each in found])

    @routes.post("/billing/tax-rules", permission=writes, summary="Add a tax rule")
    def add_tax_rule(call: Call, body: TaxRuleBody) -> TaxRuleAnswer:
        rule = body.to_rule()
        return TaxRuleAnswer.of(office.add_tax_rule(call.tx, call.holder, rule), rule)

    @routes.delete(
        "/billing/tax-rules/{rule_id}",
        permission=writes,
        summary="Remove a tax rule; invoices keep what they were finalized with",
    )
    def remove_tax_rule(call: Call, rule_id: _Id) -> None:
        office.remove_tax_rule(call.tx, call.holder, rule_id)


def _add_writing(routes: Routes, office: Office) -> None:
    reads, writes = Permission.FINANCE_READ, Permission.FINANCE_WRITE

    @routes.post(
        "/billing/settlements",
        permission=writes,
        summary="Take changed hours into the ledger now; call it until none is left",
    )
    def settle(call: Call) -> SettledAnswer:
        return SettledAnswer.of(office.settle(call.tx, call.holder))

    @routes.get("/billing/drafts", permission=reads, summary="Everybody's drafts")
    def drafts(call: Call, limit: Limit = 100, after: After = None) -> InvoicePage:
        rows = office.drafts(call.tx, call.holder, before=after, limit=limit + 1)
        shown = rows[:limit]
        return InvoicePage(
            invoices=[InvoiceAnswer.of(row) for row in shown],
            next=shown[-1].invoice_id if len(rows) > limit else None,
        )

    @routes.post(
        "/billing/drafts",
        permission=writes,
        summary="Draw up what is on no invoice yet; a draft that is there is drawn up anew",
    )
    def draft(call: Call, body: DraftBody) -> DraftList:
        until = in_utc(body.until, "until")
        made = office.draft(call.tx, call.holder, body.organization, until)
        rows = [office.invoice(call.tx, call.holder, each)[0] for each in made]
        return DraftList(invoices=[InvoiceAnswer.of(row) for row in rows])

    @routes.post(
        "/billing/invoices/{invoice_id}:finalize",
        permission=writes,
        summary="Number a draft and freeze it for good",
    )
    def finalize(call: Call, invoice_id: _Id) -> InvoiceAnswer:
        return InvoiceAnswer.of(office.finalize(call.tx, call.holder, invoice_id))

    @routes.post(
        "/billing/invoices/{invoice_id}:void", permission=writes, summary="Throw a draft away"
    )
    def void(call: Call, invoice_id: _Id) -> InvoiceAnswer:
        office.void(call.tx, call.holder, invoice_id)
        return InvoiceAnswer.of(office.invoice(call.tx, call.holder, invoice_id)[0])

    @routes.post(
        "/billing/invoices/{invoice_id}:credit",
        permission=writes,
        summary="Take back of a finalized invoice, in part or all that is left",
    )
    def credit(call: Call, invoice_id: _Id, body: CreditBody) -> CreditNoteAnswer:
        currency = office.invoice(call.tx, call.holder, invoice_id)[0].currency
        made = office.credit(
            call.tx,
            call.holder,
            invoice_id,
            reason=body.reason,
            key=body.key,
            lines=body.minor_lines(currency),
            is_goodwill=body.is_goodwill,
        )
        return CreditNoteAnswer.of(made)

    @routes.get("/billing/closes", permission=reads, summary="Closes of months")
    def closes(call: Call) -> CloseList:
        found = office.closes(call.tx, call.holder)
        return CloseList(closes=[CloseAnswer.of(each) for each in found])

    @routes.post(
        "/billing/closes",
        permission=writes,
        summary="Begin to close a month; the worker goes on with it",
    )
    def begin_close(call: Call, body: CloseBody) -> CloseAnswer:
        end = in_utc(body.period_end, "period_end")
        return CloseAnswer.of(office.begin_close(call.tx, call.holder, end))

    @routes.post(
        "/billing/closes/{close_id}:cancel",
        permission=writes,
        summary="End a close where it is; invoices that it wrote stay",
    )
    def cancel_close(call: Call, close_id: _Id) -> CloseAnswer:
        return CloseAnswer.of(office.cancel_close(call.tx, call.holder, close_id))
