"""What billing asks of subscriptions: fees that fell due, terms in which usage is charged by a
plan, and what the platform keeps of sales.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from tradewind.core.pricing.charges import PlanTerms
from tradewind.core.pricing.proration import prorated
from tradewind.features.sales.repository import charges, offers
from tradewind.features.sales.repository.rows import MICROSECOND, terms_of
from tradewind.features.sales.rules import life as rules
from tradewind.features.sales.rules.fees import PLATFORM_FEE_PPM, fee_ppm
from tradewind.features.sales.schemas import SubscribedTerm, TermCharge


class Charged:
    def __init__(self, platform_fee_ppm: int = PLATFORM_FEE_PPM) -> None:
        """`platform_fee_ppm` is what the platform keeps of a sale, in millionths."""
        self._fee_ppm = platform_fee_ppm

    def charges_due(
        self, tx: Connection, organization_ids: Sequence[str], until: datetime
    ) -> list[TermCharge]:
        """Return what fell due before `until`, also what is on an invoice by now."""
        return [
            TermCharge(
                row.key,
                row.organization_id,
                row.subscription_id,
                row.currency,
                row.description,
                row.nanos,
                row.since,
                row.until,
                row.seller,
                row.fee_ppm,
            )
            for row in charges.charges_due(tx, organization_ids, until)
        ]

    def terms_of(
        self, tx: Connection, organization_ids: Sequence[str], since: datetime, until: datetime
    ) -> list[SubscribedTerm]:
        """Return the times in which usage was charged by a plan. They never overlap for one model
        of one organization.
        """
        return [
            SubscribedTerm(
                row.subscription_id,
                row.organization_id,
                row.model_id,
                row.plan_id,
                _of_span(row),
                row.since,
                row.until,
                row.publisher_slug,
                fee_ppm(row.licensing, row.fee_percent_millionths, self._fee_ppm),
            )
            for row in charges.spans(tx, organization_ids, since, until)
        ]

    def fees(self, tx: Connection, model_ids: Sequence[str]) -> Mapping[str, int]:
        """Return what the platform keeps of sales of each model, in millionths: as the offer says
        that sells it now, else the one that sold it last, else as usual.
        """
        selling = {row.model_id: row for row in offers.sellers_of(tx, model_ids)}
        return {
            model_id: self._fee_ppm
            if (row := selling.get(model_id)) is None
            else fee_ppm(row.licensing, row.fee_percent_millionths, self._fee_ppm)
            for model_id in model_ids
        }


def _of_span(row: Row[Any]) -> PlanTerms:
    """Return what usage of a span is charged by: its share of the term, for its quantity."""
    whole = row.whole_us * MICROSECOND
    terms = rules.times(terms_of(row.terms), row.quantity)
    if row.is_trial:
        terms = msgspec.structs.replace(terms, fee_nanos=0, minimum_nanos=0)
    return prorated(terms, rules.share(row.until - row.since, whole))
