"""Scores abuse: every organization once an hour, each in a transaction of its own."""

import logging
import threading

from tradewind.core.errors import Unavailable
from tradewind.core.ids import OrganizationId
from tradewind.db.database import Database
from tradewind.features.abuse.scoring import Scoring

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 60.0


def watch_for_abuse(database: Database, scoring: Scoring, stop: threading.Event) -> None:
    """Run until `stop` is set. Of two workers one makes the pass of an hour; what a dead one left
    is made again, which changes nothing that is there.
    """
    while not stop.is_set():
        try:
            score_everybody(database, scoring, stop)
        except Unavailable as error:
            _log.warning("abuse was not scored: %s", error)
        stop.wait(_LOOK_EVERY_S)


def score_everybody(database: Database, scoring: Scoring, stop: threading.Event) -> int:
    """Make the pass of this hour, where nobody has; return how many organizations that were."""
    with database.transaction() as tx:
        if not scoring.begin_pass(tx):
            return 0
    scored, after = 0, ""
    while not stop.is_set():
        with database.transaction() as tx:
            found = scoring.next_organizations(tx, after)
        if not found:
            with database.transaction() as tx:
                scoring.end_pass(tx)
            break
        for organization_id in found:
            with database.transaction() as tx:
                scoring.score(tx, OrganizationId(organization_id))
            scored += 1
            if stop.is_set():
                return scored
        after = found[-1]
    return scored
