"""`tradewind usage`: what organizations used, on a platform's database that runs or rests."""

from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.readmodels.first_organization import find_first_organization
from tradewind.readmodels.project_usage import ProjectUsage, UsageQuestion, read_project_usage
from tradewind.readmodels.usage import LONGEST_SPAN, Window, check_readable
from tradewind.readmodels.usage_forecast import Forecast, read_forecast
from tradewind.readmodels.usage_slices import Scope
from tradewind.serve.resting_platform import any_database

_STATEMENT_S = 60.0


def show(settings: Settings, organization_id: str, question: UsageQuestion) -> ProjectUsage:
    """Return what was used; of the organization that runs the platform when none is named.

    Raises InvalidInput, NotFound.
    """
    if question.since >= question.until or question.until - question.since > LONGEST_SPAN:
        raise InvalidInput(f"the time is empty, or longer than {LONGEST_SPAN.days} days")
    with _database(settings) as database, database.transaction() as tx:
        asked = replace(question, organization_id=_organization(tx, organization_id))
        window = Window(asked.since, asked.until, asked.until - asked.since)
        check_readable(tx, asked.scope, window, asked.group.grouping)
        return read_project_usage(tx, asked)


def forecast(settings: Settings, organization_id: str, now: datetime) -> list[Forecast]:
    """Raises NotFound."""
    with _database(settings) as database, database.transaction() as tx:
        return read_forecast(tx, Scope(_organization(tx, organization_id)), now)


def _organization(tx: Connection, named: str) -> str:
    if named:
        return named
    found = find_first_organization(tx)
    if found is None:
        raise NotFound("there is no organization yet", hint="start the platform once")
    return found


def _database(settings: Settings) -> AbstractContextManager[Database]:
    patient = Timeouts(statement_s=_STATEMENT_S, answer_s=None)
    return any_database(settings, "tradewind-usage", timeouts=patient)
