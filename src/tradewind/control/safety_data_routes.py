"""The routes of what checks are given: blocklists, custom categories and corpora."""

from typing import Annotated

from fastapi import Path, Response

from tradewind.control.access import Call, Routes
from tradewind.control.pages import After, Limit, page_of
from tradewind.control.safety_data_answers import (
    BlocklistAnswer,
    BlocklistBody,
    BlocklistPage,
    BlocklistPatch,
    CategoryAnswer,
    CategoryBody,
    CategoryPage,
    CategoryPut,
    CorpusAnswer,
    CorpusBody,
    CorpusPage,
    ItemAnswer,
    ItemList,
    ItemPage,
    ItemsBody,
    TextsBody,
)
from tradewind.control.services import ControlServices
from tradewind.control.versions import IfMatch, etag, revision_of
from tradewind.core.errors import NotFound
from tradewind.core.permissions import Permission
from tradewind.features.safety.schemas import BlocklistRow, CategoryRow

_Id = Annotated[str, Path(max_length=100)]
_READS, _WRITES = Permission.SAFETY_READ, Permission.SAFETY_WRITE


def add_safety_data_routes(routes: Routes, services: ControlServices) -> None:
    _add_blocklists(routes, services)
    _add_categories(routes, services)
    _add_corpora(routes, services)


def _add_blocklists(routes: Routes, services: ControlServices) -> None:
    blocklists = services.safety.blocklists

    @routes.get("/safety/blocklists", permission=_READS, summary="Blocklists")
    def all_blocklists(call: Call, limit: Limit = 100, after: After = None) -> BlocklistPage:
        rows = blocklists.list_blocklists(call.tx, call.holder)
        page = page_of(rows, lambda row: row.blocklist_id, limit=limit, after=after)
        return BlocklistPage(
            blocklists=[BlocklistAnswer.of(row) for row in page.entries], next=page.next
        )

    @routes.post("/safety/blocklists", permission=_WRITES, summary="Add a blocklist")
    def add_blocklist(call: Call, body: BlocklistBody, response: Response) -> BlocklistAnswer:
        row = blocklists.add_blocklist(call.tx, call.holder, body.name, body.description)
        response.headers["location"] = f"/api/safety/blocklists/{row.blocklist_id}"
        return _shown(row, response)

    @routes.get("/safety/blocklists/{blocklist_id}", permission=_READS, summary="A blocklist")
    def blocklist(call: Call, blocklist_id: _Id, response: Response) -> BlocklistAnswer:
        return _shown(blocklists.get_blocklist(call.tx, call.holder, blocklist_id), response)

    @routes.patch(
        "/safety/blocklists/{blocklist_id}", permission=_WRITES, summary="Describe a blocklist"
    )
    def describe_blocklist(
        call: Call,
        blocklist_id: _Id,
        body: BlocklistPatch,
        response: Response,
        if_match: IfMatch = None,
    ) -> BlocklistAnswer:
        row = blocklists.describe(
            call.tx, call.holder, blocklist_id, body.description, revision=revision_of(if_match)
        )
        return _shown(row, response)

    @routes.delete(
        "/safety/blocklists/{blocklist_id}",
        permission=_WRITES,
        summary="Delete a blocklist that no policy uses",
    )
    def delete_blocklist(call: Call, blocklist_id: _Id, if_match: IfMatch = None) -> None:
        blocklists.delete_blocklist(
            call.tx, call.holder, blocklist_id, revision=revision_of(if_match)
        )

    @routes.get(
        "/safety/blocklists/{blocklist_id}/items",
        permission=_READS,
        summary="Terms of a blocklist, in the order in which they came",
    )
    def items(call: Call, blocklist_id: _Id, limit: Limit = 100, after: After = None) -> ItemPage:
        rows = blocklists.list_items(
            call.tx, call.holder, blocklist_id, after=after, limit=limit + 1
        )
        shown = rows[:limit]
        return ItemPage(
            items=[ItemAnswer.of(row) for row in shown],
            next=shown[-1].item_id if len(rows) > limit else None,
        )

    @routes.post(
        "/safety/blocklists/{blocklist_id}/items",
        permission=_WRITES,
        summary="Add up to 100 terms to a blocklist",
    )
    def add_items(call: Call, blocklist_id: _Id, body: ItemsBody) -> ItemList:
        rows = blocklists.add_items(
            call.tx, call.holder, blocklist_id, [item.to_new() for item in body.items]
        )
        return ItemList(items=[ItemAnswer.of(row) for row in rows])

    @routes.delete(
        "/safety/blocklists/{blocklist_id}/items/{item_id}",
        permission=_WRITES,
        summary="Take a term out of a blocklist",
    )
    def remove_item(call: Call, blocklist_id: _Id, item_id: _Id) -> None:
        if not blocklists.remove_items(call.tx, call.holder, blocklist_id, [item_id]):
            raise NotFound(f"there is no term {item_id[:60]!r} in this blocklist")


def _add_categories(routes: Routes, services: ControlServices) -> None:
    categories = services.safety.categories

    @routes.get("/safety/categories", permission=_READS, summary="Custom categories")
    def all_categories(call: Call, limit: Limit = 100, after: After = None) -> CategoryPage:
        rows = categories.list_categories(call.tx, call.holder)
        page = page_of(rows, lambda row: row.category_id, limit=limit, after=after)
        return CategoryPage(
            categories=[CategoryAnswer.of(row) for row in page.entries], next=page.next
        )

    @routes.post(
        "/safety/categories", permission=_WRITES, summary="Have a category trained from examples"
    )
    def add_category(call: Call, body: CategoryBody, response: Response) -> CategoryAnswer:
        row = categories.add_category(call.tx, call.holder, body.to_new(body.name))
        response.headers["location"] = f"/api/safety/categories/{row.category_id}"
        return _shown_category(row, response)

    @routes.get("/safety/categories/{category_id}", permission=_READS, summary="A custom category")
    def category(call: Call, category_id: _Id, response: Response) -> CategoryAnswer:
        row = categories.get_category(call.tx, call.holder, category_id)
        return _shown_category(row, response)

    @routes.put(
        "/safety/categories/{category_id}",
        permission=_WRITES,
        summary="Have a category trained again, from other examples",
    )
    def train_again(
        call: Call,
        category_id: _Id,
        body: CategoryPut,
        response: Response,
        if_match: IfMatch = None,
    ) -> CategoryAnswer:
        row = categories.train_again(
            call.tx, call.holder, category_id, body.to_new(""), revision=revision_of(if_match)
        )
        return _shown_category(row, response)

    @routes.delete(
        "/safety/categories/{category_id}",
        permission=_WRITES,
        summary="Delete a category that no policy uses",
    )
    def delete_category(call: Call, category_id: _Id, if_match: IfMatch = None) -> None:
        categories.delete_category(
            call.tx, call.holder, category_id, revision=revision_of(if_match)
        )


def _add_corpora(routes: Routes, services: ControlServices) -> None:
    corpora = services.safety.corpora

    @routes.get("/safety/corpora", permission=_READS, summary="Corpora of protected texts")
    def all_corpora(call: Call, limit: Limit = 100, after: After = None) -> CorpusPage:
        rows = corpora.list_corpora(call.tx, call.holder)
        page = page_of(rows, lambda row: row.corpus_id, limit=limit, after=after)
        return CorpusPage(corpora=[CorpusAnswer.of(row) for row in page.entries], next=page.next)

    @routes.post("/safety/corpora", permission=_WRITES, summary="Add a corpus")
    def add_corpus(call: Call, body: CorpusBody, response: Response) -> CorpusAnswer:
        row = corpora.add_corpus(call.tx, call.holder, body.to_new())
        response.headers["location"] = f"/api/safety/corpora/{row.corpus_id}"
        return CorpusAnswer.of(row)

    @routes.get("/safety/corpora/{corpus_id}", permission=_READS, summary="A corpus")
    def corpus(call: Call, corpus_id: _Id) -> CorpusAnswer:
        return CorpusAnswer.of(corpora.get_corpus(call.tx, call.holder, corpus_id))

    @routes.post(
        "/safety/corpora/{corpus_id}/texts",
        permission=_WRITES,
        summary="Add up to 20 texts to a corpus, and have it indexed again",
    )
    def add_texts(call: Call, corpus_id: _Id, body: TextsBody) -> CorpusAnswer:
        row = corpora.add_texts(
            call.tx, call.holder, corpus_id, [each.to_new() for each in body.texts]
        )
        return CorpusAnswer.of(row)

    @routes.delete(
        "/safety/corpora/{corpus_id}",
        permission=_WRITES,
        summary="Delete a corpus that no policy uses",
    )
    def delete_corpus(call: Call, corpus_id: _Id) -> None:
        corpora.delete_corpus(call.tx, call.holder, corpus_id)


def _shown(row: BlocklistRow, response: Response) -> BlocklistAnswer:
    response.headers["etag"] = etag(row.revision)
    return BlocklistAnswer.of(row)


def _shown_category(row: CategoryRow, response: Response) -> CategoryAnswer:
    response.headers["etag"] = etag(row.revision)
    return CategoryAnswer.of(row)
