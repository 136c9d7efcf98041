"""SQL of the prices that wait for a review."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Text, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from tradewind.core.ids import PriceProposalId
from tradewind.features.market.schemas import PriceSource, PriceTerms, ProposalRow
from tradewind.features.market.tables import price_proposal


def propose(
    tx: Connection,
    model_id: str,
    terms: PriceTerms,
    *,
    source: PriceSource,
    subject: str,
    effective_at: datetime,
    reason: str,
    now: datetime,
) -> bool:
    """Put a price up for review in the place of the one that waits there.

    Returns False when the same waits already, or was refused as the last of its source.
    """
    content = _as_json(terms, effective_at)
    last = tx.execute(
        select(price_proposal)
        .where(price_proposal.c.model_id == model_id, price_proposal.c.source == source.value)
        .order_by(price_proposal.c.id.desc())
        .limit(1)
    ).first()
    if last is not None and last.state in {"waiting", "refused"}:
        is_same = {**last.content, "effective_at": ""} == {**content, "effective_at": ""}
        if is_same and last.subject == subject:
            return False
    tx.execute(
        update(price_proposal)
        .where(
            price_proposal.c.model_id == model_id,
            price_proposal.c.source == source.value,
            price_proposal.c.state == "waiting",
        )
        .values(state="replaced", decided_at=now)
    )
    tx.execute(
        insert(price_proposal).values(
            id=PriceProposalId.new(),
            model_id=model_id,
            source=source.value,
            subject=subject,
            content=content,
            reason=reason,
            state="waiting",
            created_at=now,
        )
    )
    return True


def proposals(tx: Connection, *, limit: int) -> list[ProposalRow]:
    """Return those that wait, the oldest first."""
    rows = tx.execute(
        select(price_proposal)
        .where(price_proposal.c.state == "waiting")
        .order_by(price_proposal.c.id)
        .limit(limit)
    )
    return [_proposal_row(row) for row in rows]


def withdraw_all_but(
    tx: Connection, source: PriceSource, model_ids: Collection[str], now: datetime
) -> None:
    """Let none wait of this source but those of these models: nothing asks for them any more."""
    kept = bindparam("ids", list(model_ids), type_=ARRAY(Text))
    tx.execute(
        update(price_proposal)
        .where(
            price_proposal.c.source == source.value,
            price_proposal.c.state == "waiting",
            price_proposal.c.model_id != func.all(kept),
        )
        .values(state="replaced", decided_at=now)
    )


def withdraw_of(tx: Connection, subject: str, now: datetime) -> None:
    """Let none wait that came of this file or margin."""
    tx.execute(
        update(price_proposal)
        .where(price_proposal.c.subject == subject, price_proposal.c.state == "waiting")
        .values(state="replaced", decided_at=now)
    )


def lock_proposal(tx: Connection, proposal_id: str) -> ProposalRow | None:
    row = tx.execute(
        select(price_proposal).where(price_proposal.c.id == proposal_id).with_for_update()
    ).first()
    return None if row is None else _proposal_row(row)


def decide(
    tx: Connection, proposal_id: str, *, price_id: str | None, by: str, now: datetime
) -> None:
    tx.execute(
        update(price_proposal)
        .where(price_proposal.c.id == proposal_id)
        .values(
            state="refused" if price_id is None else "accepted",
            price_id=price_id,
            decided_by=by,
            decided_at=now,
        )
    )


def _as_json(terms: PriceTerms, effective_at: datetime) -> dict[str, Any]:
    return {
        "currency": terms.currency,
        "meters": {meter: str(nanos) for meter, nanos in sorted(terms.meters.items())},
        "seller": terms.seller,
        "is_charged": terms.is_charged,
        "is_free": terms.is_free,
        "effective_at": effective_at.isoformat(),
    }


def _proposal_row(row: Row[Any]) -> ProposalRow:
    content: Mapping[str, Any] = row.content
    return ProposalRow(
        row.id,
        row.model_id,
        PriceSource(row.source),
        row.subject,
        PriceTerms(
            content["currency"],
            {meter: int(nanos) for meter, nanos in content["meters"].items()},
            content["seller"],
            content["is_charged"],
            content["is_free"],
        ),
        datetime.fromisoformat(content["effective_at"]),
        row.reason,
        row.state,
        row.created_at,
        row.price_id,
    )
