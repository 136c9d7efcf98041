"""What the routes of saved views take and answer."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body
from tradewind.features.catalog.saved_views import NAME_MAX, QUERY_MAX, SavedView
from tradewind.readmodels.saved_views import ListedView

_Name = Annotated[str, StringConstraints(max_length=NAME_MAX)]
_Query = Annotated[
    str,
    StringConstraints(max_length=QUERY_MAX),
    Field(description="Parameters of the search as in a URL: `task=chat&price=free&sort=context`."),
]


class SavedViewBody(Body):
    name: _Name
    query: _Query
    is_shared: bool = Field(default=False, description="With everybody of the organization.")


class SavedViewPatch(Body):
    """What is named changes."""

    name: _Name | None = None
    query: _Query | None = None
    is_shared: bool | None = None


class SavedViewAnswer(BaseModel):
    id: str
    name: str
    query: str = Field(description="Behind `/models?` and `/api/catalog/search?`.")
    is_shared: bool
    is_own: bool
    owner: str | None = Field(default=None, description="Whose it is; in lists only.")
    updated_at: datetime

    @classmethod
    def of(cls, view: SavedView | ListedView) -> Self:
        return cls(
            id=view.view_id,
            name=view.name,
            query=view.query,
            is_shared=view.is_shared,
            is_own=view.is_own,
            owner=view.owner if isinstance(view, ListedView) else None,
            updated_at=view.updated_at,
        )


class SavedViewList(BaseModel):
    views: list[SavedViewAnswer]
