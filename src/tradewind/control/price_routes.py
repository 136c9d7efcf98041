"""The routes of the price book: what models cost, and how that is changed."""

from typing import Annotated

from fastapi import Path, Query

from tradewind.control.access import AuthenticatedCall, Call, Routes
from tradewind.control.acting import acting
from tradewind.control.pages import After, Limit
from tradewind.control.price_answers import (
    AppliedFile,
    Decided,
    FileList,
    FileReportAnswer,
    MarginAnswer,
    MarginBody,
    MarginList,
    MarginPreviewAnswer,
    PriceAnswer,
    PriceBody,
    PricedModelAnswer,
    PriceFileBody,
    PriceHistory,
    PriceKeyAnswer,
    PriceKeyBody,
    PriceKeyList,
    PriceList,
    ProposalAnswer,
    ProposalList,
    QuoteAnswer,
    SimulationAnswer,
    SimulationBody,
    UnpricedAnswer,
    UnpricedList,
)
from tradewind.control.services import ControlServices
from tradewind.core.errors import Forbidden, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import is_platform_administrator
from tradewind.readmodels.prices import find_priced, list_prices, model_names
from tradewind.readmodels.unpriced import unpriced

_Publisher = Annotated[str, Path(max_length=64)]
_Slug = Annotated[str, Path(max_length=100)]
_Id = Annotated[str, Path(max_length=100)]
_Query = Annotated[str, Query(max_length=100)]


def add_price_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/prices`."""
    book, simulator = services.prices.book, services.prices.simulator
    anyone, reads, writes = (
        Permission.CATALOG_READ,
        Permission.FINANCE_READ,
        Permission.FINANCE_WRITE,
    )

    @routes.get("/prices", permission=anyone, summary="What models cost")
    def prices(call: Call, q: _Query = "", limit: Limit = 100, after: After = None) -> PriceList:
        rows = list_prices(
            call.tx,
            query=q,
            after=after or "",
            limit=limit + 1,
            reader=call.holder.organization_id,
            everything=is_platform_administrator(call.holder),
        )
        return PriceList(
            prices=[PricedModelAnswer.of(row) for row in rows[:limit]],
            next=rows[limit - 1].name if len(rows) > limit else None,
        )

    @routes.get(
        "/prices/models/{publisher}/{slug}",
        permission=anyone,
        summary="What a model costs, and what it cost before",
    )
    def history(call: Call, publisher: _Publisher, slug: _Slug) -> PriceHistory:
        found = find_priced(
            call.tx,
            f"{publisher}/{slug}",
            reader=call.holder.organization_id,
            everything=is_platform_administrator(call.holder),
        )
        if found is None:
            raise NotFound(f"there is no model {f'{publisher}/{slug}'!r}")
        return PriceHistory(
            **PricedModelAnswer.of(found).model_dump(),
            versions=[PriceAnswer.of(row) for row in book.history(call.tx, found.model_id)],
        )

    @routes.put(
        "/prices/models/{publisher}/{slug}",
        permission=writes,
        summary="Set what a model costs from a moment on, or say what that would change",
    )
    def set_price(call: Call, publisher: _Publisher, slug: _Slug, body: PriceBody) -> QuoteAnswer:
        new = body.to_new(f"{publisher}/{slug}")
        if body.dry_run:
            return QuoteAnswer.of(book.quote(call.tx, call.holder, new))
        by = acting(services, call).name
        return QuoteAnswer.of(book.set_price(call.tx, call.holder, new, by=by))

    @routes.get("/prices/unpriced", permission=reads, summary="What nobody said a price for")
    def gaps(call: Call) -> UnpricedList:
        if not is_platform_administrator(call.holder):
            raise Forbidden("only administrators of the platform see what has no price")
        found = unpriced(call.tx, services.clock.now())
        return UnpricedList(models=[UnpricedAnswer.of(row) for row in found])

    @routes.post(
        "/prices:simulate",
        permission=Permission.SALES_WRITE,
        summary="What a plan would have charged for past usage",
    )
    def simulate(call: Call, body: SimulationBody) -> SimulationAnswer:
        found = simulator.simulate(call.tx, call.holder, body.to_question())
        return SimulationAnswer.of(found)

    _add_files(routes, services)
    _add_margins(routes, services)


def _add_margins(routes: Routes, services: ControlServices) -> None:
    all_margins, reviews = services.prices.margins, services.prices.proposals
    reads, writes = Permission.FINANCE_READ, Permission.FINANCE_WRITE

    @routes.get("/prices/margins", permission=reads, summary="Margins over what providers take")
    def margins(call: Call) -> MarginList:
        rows = all_margins.all(call.tx, call.holder)
        return MarginList(margins=[MarginAnswer.of(row) for row in rows])

    @routes.put(
        "/prices/margins", permission=writes, summary="Let prices follow what providers take"
    )
    def put_margin(call: Call, body: MarginBody) -> MarginAnswer:
        by = acting(services, call).name
        return MarginAnswer.of(all_margins.put(call.tx, call.holder, body.to_new(), by=by))

    @routes.post(
        "/prices/margins:preview",
        permission=writes,
        summary="What a margin would make of today's costs",
    )
    def preview_margin(call: Call, body: MarginBody) -> MarginPreviewAnswer:
        found = all_margins.preview(call.tx, call.holder, body.to_new())
        return MarginPreviewAnswer.of(found)

    @routes.delete(
        "/prices/margins/{margin_id}", permission=writes, summary="Leave prices as they are"
    )
    def stop_margin(call: Call, margin_id: _Id) -> None:
        all_margins.stop(call.tx, call.holder, margin_id)

    @routes.get("/prices/proposals", permission=reads, summary="Prices that wait for a review")
    def proposals(call: Call) -> ProposalList:
        rows = reviews.waiting(call.tx, call.holder)
        names = model_names(call.tx, {row.model_id for row in rows})
        return ProposalList(proposals=[ProposalAnswer.of(row, names[row.model_id]) for row in rows])

    @routes.post(
        "/prices/proposals/{proposal_id}:accept", permission=writes, summary="Set such a price"
    )
    def accept(call: Call, proposal_id: _Id) -> Decided:
        return _decide(call, proposal_id, is_accepted=True)

    @routes.post(
        "/prices/proposals/{proposal_id}:refuse", permission=writes, summary="Leave it out"
    )
    def refuse(call: Call, proposal_id: _Id) -> Decided:
        return _decide(call, proposal_id, is_accepted=False)

    def _decide(call: AuthenticatedCall, proposal_id: str, *, is_accepted: bool) -> Decided:
        by = acting(services, call).name
        return Decided(
            price=reviews.decide(call.tx, call.holder, proposal_id, is_accepted=is_accepted, by=by)
        )


def _add_files(routes: Routes, services: ControlServices) -> None:
    price_files = services.prices.files
    reads, writes = Permission.FINANCE_READ, Permission.FINANCE_WRITE

    @routes.get("/prices/files", permission=reads, summary="Price files that were applied")
    def files(call: Call) -> FileList:
        rows = price_files.files(call.tx, call.holder)
        return FileList(files=[AppliedFile.of(row) for row in rows])

    @routes.post(
        "/prices/files",
        permission=writes,
        summary="Apply a signed price file, all or nothing, or say what that would change",
    )
    def apply_file(call: Call, body: PriceFileBody) -> FileReportAnswer:
        content, signature = body.content.encode(), body.signature_bytes()
        if body.dry_run:
            report = price_files.check_file(
                call.tx, call.holder, content, key_id=body.key_id, signature=signature
            )
        else:
            report = price_files.apply_file(
                call.tx,
                call.holder,
                content,
                key_id=body.key_id,
                signature=signature,
                by=acting(services, call).name,
            )
        return FileReportAnswer.of(report)

    @routes.get("/prices/keys", permission=reads, summary="Keys whose price files are believed")
    def keys(call: Call) -> PriceKeyList:
        rows = price_files.keys(call.tx, call.holder)
        return PriceKeyList(keys=[PriceKeyAnswer.of(row) for row in rows])

    @routes.post("/prices/keys", permission=writes, summary="Believe the price files of a key")
    def add_key(call: Call, body: PriceKeyBody) -> PriceKeyAnswer:
        row = price_files.add_key(
            call.tx,
            call.holder,
            name=body.name,
            pem=body.public_key.encode(),
            publisher=body.publisher,
            by=acting(services, call).name,
        )
        return PriceKeyAnswer.of(row)

    @routes.post(
        "/prices/keys/{key_id}:revoke", permission=writes, summary="Believe none of its files more"
    )
    def revoke_key(call: Call, key_id: _Id) -> PriceKeyAnswer:
        row = price_files.revoke_key(call.tx, call.holder, key_id, by=acting(services, call).name)
        return PriceKeyAnswer.of(row)
