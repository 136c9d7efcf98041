"""Finds what a call of the Content Safety API names: blocklists, custom categories, texts.

The control plane knows them; a gateway that cannot ask it says so, and never that nothing matched.
"""

from collections.abc import Callable, Sequence

from tradewind.gateway.backstage import Backstage, BackstageAnswer
from tradewind.snapshot.safety import DataReference
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError, unavailable
from tradewind.wire.safety_references import Asked, Kind, decode_found, encode

Answered = Callable[[tuple[DataReference, ...] | ApiError], None]
_WHAT = {
    Kind.BLOCKLIST: "blocklist",
    Kind.CUSTOM_CATEGORY: "custom category",
    Kind.CORPUS: "text",
}


def find_references(
    backstage: Backstage,
    organization_id: str,
    kind: Kind,
    names: Sequence[str],
    answered: Answered,
) -> None:
    """Find all that are named, or all there are where none is. The answer is an ApiError 404 where
    one is not there, 503 where nobody knows.
    """
    asked = Asked(organization_id, kind, list(dict.fromkeys(names)))

    def read(answer: BackstageAnswer) -> None:
        answered(_read(answer, asked))

    backstage.ask("POST", "/safety/references", encode(asked), read)


def _read(answer: BackstageAnswer, asked: Asked) -> tuple[DataReference, ...] | ApiError:
    away = unavailable(
        "The control plane cannot be asked at this moment what these names stand for.",
        code="safety_data_unavailable",
    )
    if answer.status != 200:
        return away
    try:
        references = decode_found(answer.body).references
    except UNREADABLE:
        return away
    known = {reference.name for reference in references}
    missing = [name for name in asked.names if name not in known]
    if missing:
        return ApiError(
            404,
            f"There is no {_WHAT[asked.kind]} {missing[0]!r} in this organization.",
            code="safety_data_not_found",
        )
    return tuple(DataReference(each.name, each.digest, each.size) for each in references)
