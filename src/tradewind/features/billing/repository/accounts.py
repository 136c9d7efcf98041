"""Billing accounts, the issuer, tax rules."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.ids import OrganizationId
from tradewind.features.billing.rules.taxes import TaxRule
from tradewind.features.billing.schemas import (
    BillingAccount,
    BuyerKind,
    Issuer,
    Mode,
    Party,
    TaxTreatment,
)
from tradewind.features.billing.tables import billing_account, billing_issuer, tax_rule


def find_account(
    tx: Connection, organization_id: str, *, for_update: bool = False
) -> BillingAccount | None:
    found = select(billing_account).where(billing_account.c.organization_id == organization_id)
    row = tx.execute(found.with_for_update() if for_update else found).first()
    return None if row is None else _account(row)


def list_accounts(tx: Connection, after: str, limit: int) -> list[BillingAccount]:
    found = select(billing_account).where(billing_account.c.organization_id > after)
    rows = tx.execute(found.order_by(billing_account.c.organization_id).limit(limit))
    return [_account(row) for row in rows]


def is_organization(tx: Connection, organization_id: str) -> bool:
    found = text("SELECT EXISTS (SELECT FROM organization WHERE id = :id)")
    return bool(tx.execute(found, {"id": organization_id}).scalar())


def lock_accounts(tx: Connection, organization_ids: Sequence[str]) -> list[BillingAccount]:
    """Return the accounts of these that are charged; nobody else draws up their invoices until
    this transaction ends.
    """
    rows = tx.execute(
        select(billing_account)
        .where(
            billing_account.c.organization_id.in_(organization_ids),
            billing_account.c.mode != Mode.NONE.value,
        )
        .order_by(billing_account.c.organization_id)
        .with_for_update()
    )
    return [_account(row) for row in rows]


def write_account(tx: Connection, account: BillingAccount, now: datetime) -> bool:
    """Add an account of revision 1, or change one of the revision before. False where somebody
    else was first.
    """
    values = {
        "mode": account.mode.value,
        "currency": account.currency,
        "party": msgspec.to_builtins(account.party),
        "buyer_kind": account.buyer_kind.value,
        "buyer_reference": account.buyer_reference,
        "payment_terms_days": account.payment_terms_days,
        "billed_from": account.billed_from,
        "revision": account.revision,
        "updated_at": now,
    }
    if account.revision == 1:
        added = tx.execute(
            upsert(billing_account)
            .values(organization_id=account.organization_id, created_at=now, **values)
            .on_conflict_do_nothing()
            .returning(billing_account.c.revision)
        )
        return added.first() is not None
    changed = tx.execute(
        update(billing_account)
        .where(
            billing_account.c.organization_id == account.organization_id,
            billing_account.c.revision == account.revision - 1,
        )
        .values(**values)
    )
    return changed.rowcount == 1


def charged_organizations(tx: Connection, after: str, most: int) -> Sequence[str]:
    """Return organizations that are charged, in the order of their ids."""
    found = (
        select(billing_account.c.organization_id)
        .where(billing_account.c.organization_id > after, billing_account.c.mode != Mode.NONE.value)
        .order_by(billing_account.c.organization_id)
        .limit(most)
    )
    return tx.execute(found).scalars().all()


def count_charged(tx: Connection) -> int:
    counted = select(func.count()).where(billing_account.c.mode != Mode.NONE.value)
    return tx.execute(counted).scalar_one()


def _account(row: Row[Any]) -> BillingAccount:
    return BillingAccount(
        organization_id=OrganizationId(row.organization_id),
        mode=Mode(row.mode),
        currency=row.currency,
        party=msgspec.convert(row.party, Party),
        buyer_kind=BuyerKind(row.buyer_kind),
        buyer_reference=row.buyer_reference,
        payment_terms_days=row.payment_terms_days,
        billed_from=row.billed_from,
        revision=row.revision,
    )


def find_issuer(tx: Connection) -> Issuer | None:
    row = tx.execute(select(billing_issuer)).first()
    return None if row is None else Issuer(msgspec.convert(row.party, Party), row.payment_details)


def set_issuer(tx: Connection, issuer: Issuer, now: datetime) -> None:
    values = {
        "party": msgspec.to_builtins(issuer.party),
        "payment_details": issuer.payment_details,
        "updated_at": now,
    }
    tx.execute(
        upsert(billing_issuer)
        .values(is_only=True, **values)
        .on_conflict_do_update(index_elements=["is_only"], set_=values)
    )


def list_tax_rules(tx: Connection, limit: int) -> list[tuple[str, TaxRule]]:
    rows = tx.execute(select(tax_rule).order_by(tax_rule.c.id).limit(limit))
    return [
        (
            row.id,
            TaxRule(
                seller_country=row.seller_country,
                buyer_country=row.buyer_country,
                buyer_kind=None if row.buyer_kind is None else BuyerKind(row.buyer_kind),
                treatment=TaxTreatment(row.treatment),
                rate_ppm=row.rate_ppm,
                jurisdiction=row.jurisdiction,
                reason=row.reason,
                valid_from=row.valid_from,
                valid_until=date.max if row.valid_until is None else row.valid_until,
            ),
        )
        for row in rows
    ]


def add_tax_rule(tx: Connection, rule_id: str, rule: TaxRule, now: datetime) -> bool:
    """False where there is one for the same countries, kind and first day."""
    added = tx.execute(
        upsert(tax_rule)
        .values(
            id=rule_id,
            seller_country=rule.seller_country,
            buyer_country=rule.buyer_country,
            buyer_kind=None if rule.buyer_kind is None else rule.buyer_kind.value,
            treatment=rule.treatment.value,
            rate_ppm=rule.rate_ppm,
            jurisdiction=rule.jurisdiction,
            reason=rule.reason,
            valid_from=rule.valid_from,
            valid_until=None if rule.valid_until == date.max else rule.valid_until,
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(tax_rule.c.id)
    )
    return added.first() is not None


def remove_tax_rule(tx: Connection, rule_id: str) -> bool:
    return tx.execute(delete(tax_rule).where(tax_rule.c.id == rule_id)).rowcount == 1


def end_tax_rule(tx: Connection, rule_id: str, valid_until: date) -> None:
    tx.execute(update(tax_rule).where(tax_rule.c.id == rule_id).values(valid_until=valid_until))
