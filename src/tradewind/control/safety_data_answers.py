"""What the routes of blocklists, custom categories and corpora take and answer."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body
from tradewind.features.safety.schemas import (
    BlocklistRow,
    CategoryRow,
    CorpusRow,
    ItemRow,
    NewCategory,
    NewCorpus,
    NewItem,
    NewText,
    Readiness,
)

_Name = Annotated[str, StringConstraints(max_length=64)]
_Description = Annotated[str, StringConstraints(max_length=1_024)]
_NEXT = "Send it as `after` for the next page; null at the end."


class BlocklistBody(Body):
    name: _Name
    description: _Description = ""


class BlocklistPatch(Body):
    description: _Description


class ItemBody(Body):
    text: Annotated[str, StringConstraints(max_length=128)]
    description: _Description = ""
    is_regex: bool = False

    def to_new(self) -> NewItem:
        return NewItem(self.text, self.description, self.is_regex)


class ItemsBody(Body):
    items: Annotated[list[ItemBody], Field(min_length=1, max_length=100)]


class BlocklistAnswer(BaseModel):
    id: str
    name: str
    description: str
    items: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: BlocklistRow) -> Self:
        return cls(
            id=row.blocklist_id,
            name=row.name,
            description=row.description,
            items=row.items,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class BlocklistPage(BaseModel):
    blocklists: list[BlocklistAnswer] = Field(description="By name.")
    next: str | None = Field(description=_NEXT)


class ItemAnswer(BaseModel):
    id: str
    text: str
    description: str
    is_regex: bool
    created_at: datetime

    @classmethod
    def of(cls, row: ItemRow) -> Self:
        return cls(
            id=row.item_id,
            text=row.text,
            description=row.description,
            is_regex=row.is_regex,
            created_at=row.created_at,
        )


class ItemPage(BaseModel):
    items: list[ItemAnswer]
    next: str | None = Field(description=_NEXT)


class ItemList(BaseModel):
    items: list[ItemAnswer]


_Example = Annotated[str, StringConstraints(max_length=2_000)]


class CategoryPut(Body):
    """What a category is trained from, whole."""

    definition: Annotated[str, StringConstraints(max_length=1_000)] = ""
    positives: Annotated[list[_Example], Field(min_length=1, max_length=5_000)]
    negatives: Annotated[list[_Example], Field(max_length=5_000)] = Field(default=[])
    is_rapid: bool = Field(
        default=False,
        description="Find what is much like one of up to 1,000 examples, of one or more; otherwise"
        " at least 50 examples train a model.",
    )

    def to_new(self, name: str) -> NewCategory:
        return NewCategory(
            name, self.definition, tuple(self.positives), tuple(self.negatives), self.is_rapid
        )


class CategoryBody(CategoryPut):
    name: _Name


class CategoryAnswer(BaseModel):
    id: str
    name: str
    definition: str
    is_rapid: bool
    positives: int
    negatives: int
    state: Readiness
    percent: int
    error: str
    quality: dict[str, Any] = Field(
        description="Precision and recall, each with its 95 % interval, on a fifth of the examples"
        " that was held out."
    )
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: CategoryRow) -> Self:
        return cls(
            id=row.category_id,
            name=row.name,
            definition=row.definition,
            is_rapid=row.is_rapid,
            positives=row.positives,
            negatives=row.negatives,
            state=row.state,
            percent=row.percent,
            error=row.error,
            quality=dict(row.quality),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class CategoryPage(BaseModel):
    categories: list[CategoryAnswer] = Field(description="By name.")
    next: str | None = Field(description=_NEXT)


class CorpusBody(Body):
    name: _Name
    licence: Annotated[str, StringConstraints(max_length=300)]
    citation: Annotated[str, StringConstraints(max_length=300)] = Field(
        description="Where the texts are to be had; whoever copied one is told."
    )
    is_code: bool = False

    def to_new(self) -> NewCorpus:
        return NewCorpus(self.name, self.licence, self.citation, self.is_code)


class TextBody(Body):
    title: Annotated[str, StringConstraints(max_length=200)]
    text: Annotated[str, StringConstraints(max_length=200_000)]

    def to_new(self) -> NewText:
        return NewText(self.title, self.text)


class TextsBody(Body):
    texts: Annotated[list[TextBody], Field(min_length=1, max_length=20)]


class CorpusAnswer(BaseModel):
    id: str
    name: str
    licence: str
    citation: str
    is_code: bool
    texts: int
    characters: int
    state: Readiness
    percent: int
    error: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: CorpusRow) -> Self:
        return cls(
            id=row.corpus_id,
            name=row.name,
            licence=row.licence,
            citation=row.citation,
            is_code=row.is_code,
            texts=row.texts,
            characters=row.characters,
            state=row.state,
            percent=row.percent,
            error=row.error,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class CorpusPage(BaseModel):
    corpora: list[CorpusAnswer] = Field(description="By name.")
    next: str | None = Field(description=_NEXT)
