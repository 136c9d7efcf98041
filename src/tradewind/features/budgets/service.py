"""What other parts may ask of budgets and terms."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, MalformedId, NotFound, PreconditionFailed
from tradewind.core.ids import BudgetId
from tradewind.core.permissions import Permission, require
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts.schemas import Actor
from tradewind.features.accounts.service import Accounts
from tradewind.features.budgets import repository, rules
from tradewind.features.budgets.errors import TooManyBudgets, WalletBudget
from tradewind.features.budgets.leasing import ReadSpends
from tradewind.features.budgets.questions import spend_of
from tradewind.features.budgets.schemas import (
    Alert,
    BudgetChanges,
    BudgetRow,
    ModelLimits,
    NewBudget,
    NewTerms,
    PeriodKind,
    TermsRow,
)
from tradewind.features.responses import service as responses
from tradewind.snapshot.contents import Conditions, Limits

BUDGETS_MAX = 10_000
"""Budgets of one organization, and the longest list of them."""
TERMS_MAX = 10_000


class Budgets:
    """Terms and budgets of the actor's own organization."""

    def __init__(self, accounts: Accounts, clock: Clock, read_spends: ReadSpends) -> None:
        self._accounts = accounts
        self._clock = clock
        self._read_spends = read_spends

    # --- terms -----------------------------------------------------------------------------

    def list_terms(self, tx: Connection, actor: Actor) -> list[TermsRow]:
        """Return what was said of the organization and its projects; of others the defaults
        hold.
        """
        require(actor, Permission.LIMITS_READ)
        found = repository.list_terms(tx, actor.organization_id, TERMS_MAX)
        models = repository.model_limits_of(tx, [row.subject_id for row in found])
        return [_terms_row(row, models.get(row.subject_id, ())) for row in found]

    def get_terms(self, tx: Connection, actor: Actor, subject_id: str) -> TermsRow:
        """Return the terms of the organization or one of its projects. Raises NotFound."""
        require(actor, Permission.LIMITS_READ)
        found = repository.find_terms(tx, actor.organization_id, subject_id)
        if found is None:
            if subject_id not in {actor.organization_id, actor.project_id}:
                raise _no_subject(subject_id)
            return TermsRow(
                subject_id,
                subject_id != actor.organization_id,
                NewTerms(),
                revision=0,
                updated_at=None,
            )
        models = repository.model_limits_of(tx, [subject_id])
        return _terms_row(found, models.get(subject_id, ()))

    def put_terms(
        self,
        tx: Connection,
        actor: Actor,
        subject_id: str,
        new: NewTerms,
        *,
        revision: int | None = None,
    ) -> TermsRow:
        """Replace the terms of the organization or of one of its projects, if nothing was changed
        since `revision`. Raises NotFound, InvalidInput, PreconditionFailed.
        """
        require(actor, Permission.LIMITS_WRITE)
        rules.check_terms(new)
        is_project = subject_id != actor.organization_id
        if is_project and (new.cache_ttl_s, new.response_days, new.content_days) != _RETENTION:
            raise InvalidInput(
                "the cache, stored responses and logged contents are kept for whole organizations",
                hint="set them on the organization",
            )
        key = {
            "subject_id": subject_id,
            "organization_id": actor.organization_id,
            "project_id": subject_id if is_project else None,
        }
        values = _columns(new) | {"updated_at": self._clock.now()}
        former = repository.find_terms(tx, actor.organization_id, subject_id)
        if revision is not None and revision != (former.revision if former is not None else 0):
            raise _changed_since(f"the terms of {subject_id}")
        if repository.put_terms(tx, key, values, revision=revision) is None:
            # Somebody else's first terms may have come in between.
            if repository.find_terms(tx, actor.organization_id, subject_id) is not None:
                raise _changed_since(f"the terms of {subject_id}")
            raise _no_subject(subject_id)
        repository.replace_model_limits(tx, subject_id, new.models)
        kept_days = NewTerms().response_days if former is None else former.response_days
        if not is_project and new.response_days < kept_days:
            # What is stored already must not outlive the promise of fewer days.
            responses.shorten(tx, actor.organization_id, new.response_days)
        record_change(tx, ChangeKind.TERMS, [subject_id])
        found = repository.find_terms(tx, actor.organization_id, subject_id)
        assert found is not None
        models = repository.model_limits_of(tx, [subject_id])
        return _terms_row(found, models.get(subject_id, ()))

    # --- budgets ---------------------------------------------------------------------------

    def list_budgets(self, tx: Connection, actor: Actor) -> list[BudgetRow]:
        """Return the organization's budgets, the newest first."""
        require(actor, Permission.LIMITS_READ)
        rows = repository.list_budgets(tx, actor.organization_id, limit=BUDGETS_MAX)
        return self._standing(tx, rows)

    def budgets_of_key(self, tx: Connection, actor: Actor, key_id: str) -> list[BudgetRow]:
        """Return every budget that pays for calls of a key of the actor's project."""
        key = self._accounts.get_key(tx, actor, key_id)
        rows = repository.list_budgets(
            tx,
            actor.organization_id,
            limit=BUDGETS_MAX,
            applying_to=(key.project_id, key.key_id),
        )
        return self._standing(tx, rows)

    def budgets_of_project(self, tx: Connection, actor: Actor) -> list[BudgetRow]:
        """Return the budgets that pay for every call of the actor's project: its own, and those of
        the organization.
        """
        require(actor, Permission.LIMITS_READ)
        rows = repository.list_budgets(
            tx,
            actor.organization_id,
            limit=BUDGETS_MAX,
            applying_to=(actor.project_id, _NO_KEY),
        )
        return self._standing(tx, rows)

    def get_budget(self, tx: Connection, actor: Actor, budget_id: str) -> BudgetRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.LIMITS_READ)
        return self._standing(tx, [self._find(tx, actor, budget_id)])[0]

    def add_budget(self, tx: Connection, actor: Actor, new: NewBudget) -> BudgetRow:
        """Add a budget of the organization, of a project or of a key of the actor's project.

        Raises InvalidInput, NotFound, TooManyBudgets (409) at 10,000.
        """
        require(actor, Permission.LIMITS_WRITE)
        rules.check_budget(new)
        project_id = new.project_id
        if new.key_id is not None:
            key = self._accounts.get_key(tx, actor, new.key_id)
            if project_id not in {None, key.project_id}:
                raise InvalidInput("the key is not one of this project")
            project_id = key.project_id
        repository.lock_count(tx)
        if repository.count_budgets(tx, actor.organization_id) >= BUDGETS_MAX:
            raise TooManyBudgets(
                f"this organization has {BUDGETS_MAX} budgets", hint="delete some that are over"
            )
        budget_id, now = BudgetId.new(), self._clock.now()
        is_added = repository.add_budget(
            tx,
            {
                "id": budget_id,
                "organization_id": actor.organization_id,
                "project_id": project_id,
                "key_id": new.key_id,
                "name": rules.clean_name(new.name),
                "currency": new.currency,
                "amount_nanos": new.amount_nanos,
                "period": new.period.value,
                "is_hard": new.is_hard,
                "alert_percents": rules.clean_percents(new.alert_percents),
                "revision": 1,
                "created_at": now,
                "updated_at": now,
            },
        )
        if not is_added:
            raise NotFound(f"there is no project {str(project_id)[:80]!r}")
        found = self._find(tx, actor, budget_id)
        _record(tx, found)
        return self._standing(tx, [found])[0]

    def update_budget(
        self,
        tx: Connection,
        actor: Actor,
        budget_id: str,
        changes: BudgetChanges,
        *,
        revision: int | None = None,
    ) -> BudgetRow:
        """Change what is named, if nothing was changed since `revision`. An amount may be lowered
        below what is spent: then nothing more is.
        """
        require(actor, Permission.LIMITS_WRITE)
        former = self._lock(tx, actor, budget_id, revision)
        values: dict[str, Any] = {"updated_at": self._clock.now()}
        if changes.name is not None:
            values["name"] = rules.clean_name(changes.name)
        if changes.amount_nanos is not None:
            rules.check_amount(changes.amount_nanos)
            values["amount_nanos"] = changes.amount_nanos
        if changes.is_hard is not None:
            values["is_hard"] = changes.is_hard
        if changes.alert_percents is not None:
            values["alert_percents"] = rules.clean_percents(changes.alert_percents)
        repository.update_budget(tx, former.id, values)
        if changes.amount_nanos is not None:
            repository.raise_ceiling(tx, former.id, changes.amount_nanos)
        if changes.is_hard and not former.is_hard:
            # While it was soft nobody counted; the next lease begins with what the books say.
            repository.forget_periods(tx, former.id)
        _record(tx, former)
        return self.get_budget(tx, actor, budget_id)

    def delete_budget(
        self, tx: Connection, actor: Actor, budget_id: str, *, revision: int | None = None
    ) -> None:
        """Delete a budget with its leases and alerts. What was spent stays in the books."""
        require(actor, Permission.LIMITS_WRITE)
        found = self._lock(tx, actor, budget_id, revision)
        repository.delete_budget(tx, found.id)
        _record(tx, found)

    # --- what follows is private -----------------------------------------------------------

    def _find(self, tx: Connection, actor: Actor, budget_id: str) -> Row[Any]:
        found = repository.find_budget(tx, actor.organization_id, _budget_id(budget_id))
        if found is None:
            raise _no_budget(budget_id)
        return found

    def _lock(self, tx: Connection, actor: Actor, budget_id: str, revision: int | None) -> Row[Any]:
        found = repository.find_budget(tx, actor.organization_id, _budget_id(budget_id), locks=True)
        if found is None:
            raise _no_budget(budget_id)
        if found.purpose:
            raise WalletBudget(
                "this budget is what the wallet holds", hint="top the wallet up, or take from it"
            )
        if revision is not None and revision != found.revision:
            raise _changed_since(f"the budget {budget_id}")
        return found

    def _standing(self, tx: Connection, rows: Sequence[Row[Any]]) -> list[BudgetRow]:
        now = self._clock.now()
        periods = {row.id: rules.period_at(PeriodKind(row.period), now) for row in rows}
        alerts = repository.alerts_of(tx, ((key, each.start) for key, each in periods.items()))
        found = repository.periods_of(tx, ((key, each.start) for key, each in periods.items()))
        # Soft budgets, and hard ones that no gateway has leased of in this period.
        questions = {
            row.id: spend_of(row, periods[row.id].start, periods[row.id].end)
            for row in rows
            if not (row.is_hard and row.id in found)
        }
        read = self._read_spends(tx, list(questions.values()))
        by_books = dict(zip(questions, read, strict=True))
        return [
            _budget_row(
                row,
                periods[row.id],
                _spent(found.get(row.id), by_books.get(row.id)),
                alerts.get(row.id, ()),
            )
            for row in rows
        ]


_NO_KEY = ""
_RETENTION = (NewTerms().cache_ttl_s, NewTerms().response_days, NewTerms().content_days)


def _spent(sums: Row[Any] | None, by_books: int | None) -> tuple[int, int]:
    """Return what is spent and what is leased of a budget."""
    if by_books is not None:
        return by_books, 0
    assert sums is not None, "a budget is known by its leases or by the books"
    return sums.spent_nanos + sums.overspent_nanos, sums.leased_nanos


def _budget_row(
    row: Row[Any], period: rules.Period, spent: tuple[int, int], alerts: Sequence[Row[Any]]
) -> BudgetRow:
    return BudgetRow(
        budget_id=row.id,
        organization_id=row.organization_id,
        project_id=row.project_id,
        key_id=row.key_id,
        name=row.name,
        currency=row.currency,
        amount_nanos=row.amount_nanos,
        period=PeriodKind(row.period),
        is_hard=row.is_hard,
        alert_percents=tuple(row.alert_percents),
        revision=row.revision,
        created_at=_utc(row.created_at),
        updated_at=_utc(row.updated_at),
        period_start=period.start,
        period_end=period.end,
        spent_nanos=spent[0],
        leased_nanos=spent[1],
        alerts=tuple(
            Alert(
                period_start=_utc(alert.period_start),
                percent=alert.percent,
                spent_nanos=alert.spent_nanos,
                amount_nanos=alert.amount_nanos,
                at=_utc(alert.at),
            )
            for alert in alerts
        ),
        is_wallet=row.purpose == "wallet",
    )


def _record(tx: Connection, row: Row[Any]) -> None:
    """Tell the gateways: of the budget itself, and of whoever it is of."""
    record_change(tx, ChangeKind.BUDGETS)
    if row.key_id is not None:
        record_change(tx, ChangeKind.GRANT, [row.key_id])
    else:
        record_change(tx, ChangeKind.TERMS, [row.project_id or row.organization_id])


def _columns(new: NewTerms) -> dict[str, Any]:
    return {
        "requests_per_minute": new.limits.requests_per_minute,
        "tokens_per_minute": new.limits.tokens_per_minute,
        "concurrent_requests": new.limits.concurrent_requests,
        "regions": sorted(new.conditions.regions),
        "zones": sorted(new.conditions.zones),
        "no_retention": new.conditions.no_retention,
        "no_training": new.conditions.no_training,
        "cache_ttl_s": new.cache_ttl_s,
        "response_days": new.response_days,
        "content_days": new.content_days,
    }


def _terms_row(row: Row[Any], models: Sequence[Row[Any]]) -> TermsRow:
    return TermsRow(
        row.subject_id,
        row.project_id is not None,
        NewTerms(
            limits=_limits(row),
            models=tuple(ModelLimits(each.model, _limits(each)) for each in models),
            conditions=Conditions(
                frozenset(row.regions), frozenset(row.zones), row.no_retention, row.no_training
            ),
            cache_ttl_s=row.cache_ttl_s,
            response_days=row.response_days,
            content_days=row.content_days,
        ),
        revision=row.revision,
        updated_at=_utc(row.updated_at),
    )


def _limits(row: Row[Any]) -> Limits:
    return Limits(row.requests_per_minute, row.tokens_per_minute, row.concurrent_requests)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _budget_id(text: str) -> BudgetId:
    """Raises NotFound for what can be no budget's id."""
    try:
        return BudgetId.parse(text)
    except MalformedId:
        raise _no_budget(text) from None


def _no_budget(budget_id: str) -> NotFound:
    return NotFound(
        f"there is no budget {budget_id[:40]!r}", hint="list the budgets to see which there are"
    )


def _no_subject(subject_id: str) -> NotFound:
    return NotFound(
        f"{subject_id[:40]!r} is neither this organization nor one of its projects",
        hint="GET /api/whoami names both",
    )


def _changed_since(what: str) -> PreconditionFailed:
    return PreconditionFailed(
        f"{what} changed since you read it", hint="read it again, then change it"
    )
