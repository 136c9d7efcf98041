"""What the routes of the request log answer. Amounts are decimal strings, durations whole
microseconds. Only `ContentAnswer` holds a prompt or an answer: the log does not either.
"""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from tradewind.core.ids import request_id
from tradewind.core.money import format_nanos
from tradewind.readmodels.request_content import ContentPart, ContentState, RequestContent
from tradewind.readmodels.requests import (
    LoggedAttempt,
    LoggedRequest,
    PriceLine,
    RequestDetail,
    RequestState,
)
from tradewind.readmodels.safety_calls import CallFlag, CallSafety


class RequestLine(BaseModel):
    """A call in the list. What is null is not known: a refused call used nothing."""

    id: str = Field(description="Of a call that ran, the `x-request-id` of its answer.")
    at: datetime
    key_id: str
    key_name: str
    surface: str = Field(description="The API the client spoke.")
    requested_model: str = Field(description="The name as the client wrote it.")
    model: str = Field(description="What answered; empty when it was refused before.")
    host: str
    status: int
    state: RequestState
    error_code: str
    attempts: int
    input_tokens: int | None
    output_tokens: int | None
    cost: str | None = Field(description="An exact decimal amount of `currency`.")
    currency: str | None
    first_token_us: int | None
    duration_us: int | None

    @classmethod
    def of(cls, line: LoggedRequest) -> Self:
        return cls(
            id=request_id(line.event_id.bytes),
            at=line.at,
            key_id=line.key_id,
            key_name=line.key_name,
            surface=line.surface,
            requested_model=line.requested_model,
            model=line.model,
            host=line.host,
            status=line.http_status,
            state=line.state,
            error_code=line.error_code,
            attempts=line.attempts,
            input_tokens=line.input_tokens,
            output_tokens=line.output_tokens,
            cost=None if line.cost_nanos is None else format_nanos(line.cost_nanos),
            currency=line.currency,
            first_token_us=line.first_token_us,
            duration_us=line.duration_us,
        )


class RequestList(BaseModel):
    requests: list[RequestLine] = Field(description="The newest first.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class RequestAttempt(BaseModel):
    """One try at one target, in the order they were made."""

    deployment_id: str
    host: str
    why: str = Field(description="The rule that chose this target.")
    status: int = Field(description="What the host answered; 0 when it did not.")
    failure: str = Field(description="How it failed; empty when it did not.")
    duration_us: int

    @classmethod
    def of(cls, attempt: LoggedAttempt) -> Self:
        return cls(
            deployment_id=attempt.deployment_id,
            host=attempt.host,
            why=attempt.why,
            status=attempt.status,
            failure=attempt.failure,
            duration_us=attempt.duration_us,
        )


class RequestPriceLine(BaseModel):
    """Quantity times price; the sum of all lines is rounded once."""

    meter: str
    quantity: int
    price: str = Field(description="A decimal amount for 1,000,000 units.")
    cost: str

    @classmethod
    def of(cls, line: PriceLine) -> Self:
        return cls(
            meter=line.meter,
            quantity=line.quantity,
            price=format_nanos(line.price_nanos),
            cost=format_nanos(line.cost_nanos),
        )


class RequestFlag(BaseModel):
    """The gravest finding of one category in one direction."""

    category: str
    direction: str
    severity: int = Field(description="0 tells that the check looked and found nothing.")
    score: float
    action: str
    check: str
    check_version: str

    @classmethod
    def of(cls, flag: CallFlag) -> Self:
        return cls(
            category=flag.category,
            direction=flag.direction,
            severity=flag.severity,
            score=round(flag.score, 4),
            action=flag.action,
            check=flag.check,
            check_version=flag.check_version,
        )


class RequestSafety(BaseModel):
    """What safety policies made of a call."""

    action: str = Field(description="The gravest that followed; empty: none.")
    policies: dict[str, int] = Field(description="Versions that held, by the policy's id.")
    flags: list[RequestFlag]
    failures: dict[str, str] = Field(description="Why checks could not tell, by their names.")
    blocked_at: int | None = Field(
        description="Characters of the answer that had gone out when it was ended."
    )
    examined_us: int = Field(description="Time by which checks held the call up.")

    @classmethod
    def of(cls, safety: CallSafety) -> Self:
        return cls(
            action=safety.action,
            policies=dict(safety.policies),
            flags=[RequestFlag.of(flag) for flag in safety.flags],
            failures=dict(safety.failures),
            blocked_at=safety.blocked_at,
            examined_us=safety.examined_us,
        )


class RequestAnswer(BaseModel):
    """All that is known of one call."""

    request: RequestLine
    project_id: str
    operation: str
    is_stream: bool | None
    deployment_id: str | None
    usage_source: str | None = Field(description="Who counted the tokens.")
    cached_input_tokens: int | None = Field(description="Part of input_tokens.")
    cache_write_tokens: int | None = Field(description="Part of input_tokens.")
    meters: dict[str, int]
    price_id: str | None
    price_lines: list[RequestPriceLine]
    attempts: list[RequestAttempt]
    queued_us: int = Field(description="Waited to be admitted.")
    overhead_us: int = Field(description="What the gateway itself took.")
    trace_parent: str
    user_agent: str
    tags: dict[str, str]
    is_batch: bool
    region: str = Field(description="Where it was answered; empty is not told.")
    provider_cost: str | None = Field(
        description="What the host took; only told to whoever runs the platform."
    )
    provider_currency: str | None
    safety: RequestSafety | None = Field(
        description="What safety policies made of it; null where checks had nothing to say."
    )

    @classmethod
    def of(cls, detail: RequestDetail, *, shows_provider_cost: bool = False) -> Self:
        taken = detail.provider_cost_nanos if shows_provider_cost else None
        return cls(
            request=RequestLine.of(detail.line),
            project_id=detail.project_id,
            operation=detail.operation,
            is_stream=detail.is_stream,
            deployment_id=detail.deployment_id,
            usage_source=detail.usage_source,
            cached_input_tokens=detail.cached_input_tokens,
            cache_write_tokens=detail.cache_write_tokens,
            meters=detail.meters,
            price_id=detail.price_id,
            price_lines=[RequestPriceLine.of(line) for line in detail.price_lines],
            attempts=[RequestAttempt.of(attempt) for attempt in detail.attempts],
            queued_us=detail.queued_us,
            overhead_us=detail.overhead_us,
            trace_parent=detail.trace_parent,
            user_agent=detail.user_agent,
            tags=detail.tags,
            is_batch=detail.is_batch,
            region=detail.region,
            provider_cost=None if taken is None else format_nanos(taken),
            provider_currency=None if taken is None else detail.provider_currency,
            safety=None if detail.safety is None else RequestSafety.of(detail.safety),
        )


class ContentPartAnswer(BaseModel):
    """A prompt or an answer, redacted."""

    value: Any = Field(description="As it was sent; of a stream, what it said put together.")
    is_truncated: bool

    @classmethod
    def of(cls, part: ContentPart | None) -> Self | None:
        return None if part is None else cls(value=part.value, is_truncated=part.is_truncated)


class ContentAnswer(BaseModel):
    """What is kept of a call's content, and why there is none."""

    state: ContentState = Field(
        description="`off`: the organization keeps none, see `content_days` of its limits."
    )
    days: int = Field(description="For how many days contents are kept now.")
    prompt: ContentPartAnswer | None
    answer: ContentPartAnswer | None

    @classmethod
    def of(cls, content: RequestContent) -> Self:
        return cls(
            state=content.state,
            days=content.days,
            prompt=ContentPartAnswer.of(content.prompt),
            answer=ContentPartAnswer.of(content.answer),
        )
