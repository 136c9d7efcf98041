"""The loop that looks after budgets."""

import threading

import pytest

from tradewind.core.errors import Unavailable
from tradewind.features.budgets.upkeep import AT_ONCE
from tradewind.worker.budgets import look_after_budgets


class Rounds:
    """An upkeep that notes what it was asked, and a wait that ends after some rounds."""

    def __init__(self, rounds):
        self.done = []
        self.full = {"expire": 2}
        self._left = rounds
        self._is_set = False

    def is_set(self):
        return self._is_set

    def wait(self, _seconds):
        self._left -= 1
        self._is_set = self._left < 0
        return self._is_set

    def expire(self, _tx):
        self.done.append("expire")
        self.full["expire"] -= 1
        return AT_ONCE if self.full["expire"] > 0 else 0

    def reconcile(self, _tx):
        self.done.append("reconcile")
        return 0

    def forget(self, _tx):
        self.done.append("forget")
        return 0

    def alert(self, _tx, after):
        self.done.append(f"alert {after}")
        return "bud_9" if not after else ""


class AwayOnce:
    """A database that is away the first time."""

    def __init__(self, database):
        self._database = database
        self._is_away = True

    def transaction(self):
        if self._is_away:
            self._is_away = False
            raise Unavailable("away")
        return self._database.transaction()


@pytest.mark.postgres
def test_each_round_does_everything_and_full_steps_again(database):
    rounds = Rounds(2)
    look_after_budgets(database, rounds, rounds)  # type: ignore[arg-type]
    assert rounds.done == [
        *("expire", "expire", "reconcile", "forget", "alert "),
        *("expire", "reconcile", "forget", "alert bud_9"),
    ]


@pytest.mark.postgres
def test_a_database_that_is_away_ends_a_round_and_not_the_loop(database):
    rounds = Rounds(2)
    look_after_budgets(AwayOnce(database), rounds, rounds)  # type: ignore[arg-type]
    assert rounds.done.count("alert ") == 1


def test_it_ends_when_it_is_told_to():
    stop = threading.Event()
    stop.set()
    look_after_budgets(None, None, stop)  # type: ignore[arg-type]
