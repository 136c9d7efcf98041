"""Sinks: services outside to which usage is sent."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Response
from pydantic import BaseModel, Field, SecretStr, StringConstraints

from tradewind.control.access import Call, Routes
from tradewind.control.bodies import Body
from tradewind.control.services import ControlServices
from tradewind.control.versions import IfMatch, etag, revision_of
from tradewind.core.permissions import Permission
from tradewind.db.sealing import Secret
from tradewind.features.marketplace.schemas import Covers, NewSink, SinkChanges, SinkRow

_Id = Annotated[str, Path(max_length=100)]
_Short = Annotated[str, StringConstraints(max_length=200)]
_Credential = Annotated[SecretStr, Field(max_length=4_000)]
_Customers = Annotated[dict[_Short, _Short], Field(max_length=10_000)]


class SinkBody(Body):
    name: _Short
    kind: _Short = Field(description="stripe, openmeter, lago or cloudevents.")
    url: Annotated[str, StringConstraints(max_length=2_000)] = Field(
        default="", description="Where it is reached; empty for the service's own address."
    )
    credential: _Credential | None = None
    covers: Covers = Field(default=Covers.ORGANIZATION, strict=False)
    meters: Annotated[list[_Short], Field(max_length=64)] = Field(
        default=[], description="None are all."
    )
    customers: _Customers = Field(
        default={}, description="What projects, or organizations, are called there."
    )
    is_private_network: bool = False

    def to_new(self) -> NewSink:
        return NewSink(
            self.name,
            self.kind,
            self.url,
            None if self.credential is None else Secret(self.credential.get_secret_value()),
            self.covers,
            tuple(self.meters),
            tuple(self.customers.items()),
            self.is_private_network,
        )


class SinkPatch(Body):
    """What is left out stays as it is."""

    is_enabled: bool | None = None
    credential: _Credential | None = None
    customers: _Customers | None = None

    def to_changes(self) -> SinkChanges:
        return SinkChanges(
            self.is_enabled,
            None if self.credential is None else Secret(self.credential.get_secret_value()),
            None if self.customers is None else tuple(self.customers.items()),
        )


class SinkAnswer(BaseModel):
    id: str
    name: str
    kind: str
    url: str
    covers: Covers
    meters: list[str]
    customers: dict[str, str]
    is_private_network: bool
    is_enabled: bool
    has_credential: bool
    since: datetime
    sent_until: datetime = Field(description="Every hour before it is sent, or on its way.")
    waiting: int
    refused: int
    last_error: str
    last_sent_at: datetime | None

    @classmethod
    def of(cls, row: SinkRow) -> "SinkAnswer":
        return cls(
            id=row.sink_id,
            name=row.name,
            kind=row.kind,
            url=row.base_url,
            covers=row.covers,
            meters=list(row.meters),
            customers=row.customers,
            is_private_network=row.is_private_network,
            is_enabled=row.is_enabled,
            has_credential=row.has_credential,
            since=row.since,
            sent_until=row.sent_until,
            waiting=row.waiting,
            refused=row.refused,
            last_error=row.last_error,
            last_sent_at=row.last_sent_at,
        )


class SinkList(BaseModel):
    sinks: list[SinkAnswer]


def add_sink_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/sinks`."""
    sinks = services.marketplace.sinks
    reads, writes = Permission.BILLING_READ, Permission.BILLING_WRITE

    @routes.get("/sinks", permission=reads, summary="Where usage is sent")
    def all_sinks(call: Call) -> SinkList:
        rows = sinks.list_sinks(call.tx, call.holder)
        return SinkList(sinks=[SinkAnswer.of(row) for row in rows])

    @routes.post("/sinks", permission=writes, summary="Send usage somewhere from this hour on")
    def add(call: Call, body: SinkBody, response: Response) -> SinkAnswer:
        row = sinks.add(call.tx, call.holder, body.to_new())
        response.headers["location"] = f"/api/sinks/{row.sink_id}"
        return _shown(row, response)

    @routes.get("/sinks/{sink_id}", permission=reads, summary="A sink, and how it goes")
    def sink(call: Call, sink_id: _Id, response: Response) -> SinkAnswer:
        return _shown(sinks.get(call.tx, call.holder, sink_id), response)

    @routes.patch("/sinks/{sink_id}", permission=writes, summary="Change a sink")
    def change(
        call: Call, sink_id: _Id, body: SinkPatch, response: Response, if_match: IfMatch = None
    ) -> SinkAnswer:
        row = sinks.change(
            call.tx, call.holder, sink_id, body.to_changes(), revision=revision_of(if_match)
        )
        return _shown(row, response)

    @routes.delete("/sinks/{sink_id}", permission=writes, summary="Send nothing there any more")
    def delete(call: Call, sink_id: _Id) -> None:
        sinks.delete(call.tx, call.holder, sink_id)


def _shown(row: SinkRow, response: Response) -> SinkAnswer:
    response.headers["etag"] = etag(row.revision)
    return SinkAnswer.of(row)
