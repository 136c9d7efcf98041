"""Azure's metering API: usage that publishers report of their apps.

Format: learn.microsoft.com, "Marketplace metered billing APIs", 2018-08-31. `:amend` is ours.
"""

import base64
from datetime import datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, cast

from fastapi import Query
from fastapi.responses import Response

from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.marketplace_wire import AZURE_ANSWERS, Asked, AzureCall, text_of
from tradewind.control.services import ControlServices
from tradewind.core.errors import InvalidInput
from tradewind.core.ids import OrganizationId
from tradewind.core.permissions import Permission
from tradewind.features.marketplace.bodies import time_text
from tradewind.features.marketplace.rules.guids import guid_of, id_of
from tradewind.features.marketplace.rules.usage import (
    AHEAD,
    BATCH_MAX,
    MICROS,
    read_quantity,
    read_time,
)
from tradewind.features.marketplace.schemas import (
    NewUsage,
    UsageDay,
    UsageQuestion,
    UsageRow,
    UsageStatus,
    Verdict,
)

_STATUSES = {
    UsageStatus.ACCEPTED: HTTPStatus.OK,
    UsageStatus.DUPLICATE: HTTPStatus.CONFLICT,
    UsageStatus.RESOURCE_NOT_FOUND: HTTPStatus.NOT_FOUND,
}
_FIELDS = ("ResourceId", "Quantity", "Dimension", "EffectiveStartTime", "PlanId")
_USUAL = timedelta(days=30)
"""What is listed where nobody says since when."""
_NO_TIME = "0001-01-01T00:00:00"
_Text = Annotated[str, Query(max_length=200)]


def add_usage_report_routes(routes: Routes, services: ControlServices) -> None:
    """Add `/usageEvent`, `/batchUsageEvent`, `/usageEvents` and `/usageEvent:amend`."""
    routes = routes.answering(AZURE_ANSWERS)
    metering = services.marketplace.metering
    reads, writes = Permission.SALES_READ, Permission.SALES_WRITE

    @routes.post("/usageEvent", permission=writes, summary="Report usage of a custom dimension")
    def usage_event(call: Call, asked: AzureCall) -> Response:
        with asked.shaped("usageEventRequest"):
            fields = asked.fields()
            problems = _problems(fields)
            if problems:
                return _malformed(asked, problems)
            by = acting(services, call)
            verdict = metering.report(call.tx, call.holder, by, _event(fields))
            if verdict.status is UsageStatus.DUPLICATE:
                return asked.answer(HTTPStatus.CONFLICT, _conflict(verdict))
            if verdict.row is None or verdict.status is not UsageStatus.ACCEPTED:
                status = _STATUSES.get(verdict.status, HTTPStatus.BAD_REQUEST)
                return asked.refusal(
                    status, verdict.message, "usageEventRequest", verdict.status.value
                )
            return asked.answer(HTTPStatus.OK, _message(verdict.row, UsageStatus.ACCEPTED))

    @routes.post("/batchUsageEvent", permission=writes, summary="Report up to 25 usage events")
    def batch_usage_event(call: Call, asked: AzureCall) -> Response:
        with asked.shaped("usageEventRequest"):
            events: Any = asked.fields().get("request")
            if not isinstance(events, list):
                raise InvalidInput("`request` is not a list of usage events")
            reported = cast("list[Any]", events)
            if not 1 <= len(reported) <= BATCH_MAX:
                raise InvalidInput(f"a batch has 1 to {BATCH_MAX} usage events")
            by = acting(services, call)
            result: list[dict[str, Any]] = []
            # In the order of what is locked, so that two batches never wait for each other.
            verdicts: dict[int, Verdict] = {}
            for place in sorted(range(len(reported)), key=lambda at: _resource(reported[at])):
                fields = reported[place]
                if not isinstance(fields, dict) or _problems(cast("dict[str, Any]", fields)):
                    continue
                event = _event(cast("dict[str, Any]", fields))
                verdicts[place] = metering.report(call.tx, call.holder, by, event)
            for place, fields in enumerate(reported):
                result.append(_one_of_batch(fields, verdicts.get(place)))
            return asked.answer(HTTPStatus.OK, {"count": len(result), "result": result})

    @routes.get("/usageEvents", permission=reads, summary="What was reported, by day")
    def usage_events(  # noqa: PLR0917  the wire's names
        call: Call,
        asked: AzureCall,
        usageStartDate: Annotated[str, Query(max_length=40)] = "",  # noqa: N803
        UsageEndDate: Annotated[str, Query(max_length=40)] = "",  # noqa: N803
        offerId: _Text = "",  # noqa: N803
        planId: _Text = "",  # noqa: N803
        dimension: _Text = "",
        azureSubscriptionId: _Text = "",  # noqa: N803
        reconStatus: _Text = "",  # noqa: N803
    ) -> Response:
        with asked.shaped("usageEvents"):
            now = services.clock.now()
            since = read_time(usageStartDate) if usageStartDate else now - _USUAL
            until = read_time(UsageEndDate) if UsageEndDate else now + AHEAD
            if since is None or until is None:
                raise InvalidInput("`usageStartDate` and `UsageEndDate` are days or times")
            buyer = id_of(OrganizationId, azureSubscriptionId) if azureSubscriptionId else ""
            if buyer is None:
                raise InvalidInput("`azureSubscriptionId` is not one")
            question = UsageQuestion(
                since, _end(until, UsageEndDate), offerId, planId, dimension, buyer
            )
            found = metering.days(call.tx, call.holder, question)
            rows = [_day(row) for row in found]
            wanted = [row for row in rows if reconStatus in {"", row["reconStatus"]}]
            return asked.answer(HTTPStatus.OK, wanted)

    @routes.post(
        "/usageEvent:amend",
        permission=writes,
        summary="Correct a usage event; the difference is on the buyer's next invoice",
    )
    def amend(call: Call, asked: AzureCall) -> Response:
        with asked.shaped("usageEventAmendment"):
            fields = asked.fields()
            micros = _micros(fields.get("newQuantity"))
            if micros is None:
                raise InvalidInput("`newQuantity` is not a number of up to six decimals")
            done = metering.amend(
                call.tx,
                call.holder,
                acting(services, call),
                text_of(fields, "usageEventId"),
                micros,
                text_of(fields, "reason"),
            )
            note = None
            if done.statement:
                note = {
                    "statement": done.statement.decode(),
                    "signature": base64.b64encode(done.signature).decode(),
                    "publicKey": base64.b64encode(done.public_key).decode(),
                }
            return asked.answer(
                HTTPStatus.OK,
                {
                    "usageEventId": guid_of(done.usage_id),
                    "status": "Amended" if done.statement else "Unchanged",
                    "formerQuantity": _number(done.former_micros),
                    "newQuantity": _number(done.new_micros),
                    "reason": done.reason,
                    "note": note,
                },
            )


# --- reading -----------------------------------------------------------------------------------


def _problems(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (field, message) of everything that is missing or cannot be read."""
    found: list[tuple[str, str]] = []
    for field in _FIELDS:
        name = field[0].lower() + field[1:]
        value = fields.get(name)
        # Managed applications name themselves by a `resourceUri`.
        if field == "ResourceId" and value is None:
            value = fields.get("resourceUri")
        if value is None or value == "":
            found.append((field, f"The {name} is required."))
        elif field == "Quantity":
            if _micros(value) is None:
                found.append((field, "The quantity is not a number of up to six decimals."))
        elif not isinstance(value, str) or len(value) > 200 or "\x00" in value:
            found.append((field, f"The {name} is not a text."))
        elif field == "EffectiveStartTime" and read_time(value) is None:
            found.append((field, "The effectiveStartTime is not a time."))
    return found


def _event(fields: dict[str, Any]) -> NewUsage:
    micros, at = _micros(fields["quantity"]), read_time(fields["effectiveStartTime"])
    assert micros is not None, "it was looked at before"
    assert at is not None, "it was looked at before"
    return NewUsage(
        resource_id=fields.get("resourceId") or fields["resourceUri"],
        plan=fields["planId"],
        dimension=fields["dimension"],
        quantity_micros=micros,
        at=at,
        at_text=fields["effectiveStartTime"],
    )


def _micros(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return read_quantity(Decimal(value))


def _resource(fields: object) -> str:
    return str(cast("dict[str, Any]", fields).get("resourceId")) if isinstance(fields, dict) else ""


def _end(until: datetime, text: str) -> datetime:
    """A day alone means all of it."""
    return until + timedelta(days=1) if text and len(text) <= len("2020-12-03") else until


# --- answering ---------------------------------------------------------------------------------


def _malformed(asked: Asked, problems: list[tuple[str, str]]) -> Response:
    body = {
        "message": "One or more errors have occurred.",
        "target": "usageEventRequest",
        "details": [
            {"message": message, "target": field, "code": "BadArgument"}
            for field, message in problems
        ],
        "code": "BadArgument",
    }
    return asked.answer(HTTPStatus.BAD_REQUEST, body)


def _message(row: UsageRow, status: UsageStatus) -> dict[str, Any]:
    return {
        "usageEventId": guid_of(row.usage_id),
        "status": status.value,
        "messageTime": time_text(row.reported_at),
        "resourceId": guid_of(row.subscription_id),
        "quantity": _number(row.quantity_micros),
        "dimension": row.dimension,
        "effectiveStartTime": row.at_text,
        "planId": row.plan,
    }


def _conflict(verdict: Verdict) -> dict[str, Any]:
    assert verdict.row is not None, "a duplicate is of something"
    return {
        "additionalInfo": {"acceptedMessage": _message(verdict.row, UsageStatus.DUPLICATE)},
        "message": verdict.message,
        "code": "Conflict",
    }


def _one_of_batch(fields: object, verdict: Verdict | None) -> dict[str, Any]:
    if verdict is not None and verdict.status is UsageStatus.ACCEPTED and verdict.row is not None:
        return _message(verdict.row, UsageStatus.ACCEPTED)
    sent = cast("dict[str, Any]", fields) if isinstance(fields, dict) else {}
    error: dict[str, Any]
    if verdict is None:
        status = UsageStatus.BAD_ARGUMENT
        problems = _problems(sent)
        error = {
            "message": problems[0][1] if problems else "The usage event is not an object.",
            "target": problems[0][0] if problems else "usageEventRequest",
            "code": "BadArgument",
        }
    else:
        status = verdict.status
        error = (
            _conflict(verdict)
            if status is UsageStatus.DUPLICATE
            else {"message": verdict.message, "code": status.value}
        )
    quantity = _micros(sent.get("quantity"))
    return {
        "status": status.value,
        "messageTime": _NO_TIME,
        "error": error,
        "resourceId": str(sent.get("resourceId", ""))[:200],
        "quantity": 0.0 if quantity is None else _number(quantity),
        "dimension": str(sent.get("dimension", ""))[:200],
        "effectiveStartTime": str(sent.get("effectiveStartTime", ""))[:200],
        "planId": str(sent.get("planId", ""))[:200],
    }


def _day(row: UsageDay) -> dict[str, Any]:
    """What was amended is a mismatch between what was submitted and what is charged."""
    is_same = row.submitted_micros == row.processed_micros
    return {
        "usageDate": f"{row.day.isoformat()}T00:00:00Z",
        "usageResourceId": guid_of(row.subscription_id),
        "dimension": row.dimension,
        "planId": row.plan,
        "planName": row.plan,
        "offerId": row.offer_id,
        "offerName": "",
        "offerType": "SaaS",
        "azureSubscriptionId": guid_of(row.organization_id),
        "reconStatus": "Accepted" if is_same else "Mismatch",
        "submittedQuantity": _number(row.submitted_micros),
        "processedQuantity": _number(row.processed_micros),
        "submittedCount": row.events,
    }


def _number(micros: int) -> float:
    """The wire has floats. Nothing is computed with them: what counts is kept in millionths."""
    return micros / MICROS
