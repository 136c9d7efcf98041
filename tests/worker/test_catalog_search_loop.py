"""The loop that keeps the stored search: what it does itself, and what it leaves to a process."""

import threading

import pytest

from tradewind.core.errors import Unavailable
from tradewind.readmodels.catalog_search.keeping import Did
from tradewind.worker.catalog_search import keep_catalog_search


class Told:
    """A keeper that has these things to tell, one after another, and then nothing more."""

    def __init__(self, *told):
        self._told = list(told)

    def step(self):
        one = self._told.pop(0) if self._told else Did.NOTHING
        if isinstance(one, Exception):
            raise one
        return one


@pytest.fixture
def run():
    """Run the loop until it has rested so often; return how long, and how often it filled."""

    def run(*told, rests=1, is_filled=True):
        stop, rested, filled = threading.Event(), [], []

        def fill():
            filled.append(True)
            return is_filled

        def wait(wait_s):
            rested.append(wait_s)
            if len(rested) == rests:
                stop.set()

        keep_catalog_search(Told(*told), fill, stop, wait=wait)
        return rested, len(filled)

    return run


def test_it_goes_on_while_there_is_something_to_do_and_then_rests(run):
    assert run(Did.SOMETHING, Did.SOMETHING) == ([1.0], 0)


def test_a_small_catalog_is_looked_at_less_often(run):
    assert run(Did.IN_MEMORY, Did.ELSEWHERE, rests=2) == ([5.0, 1.0], 0)


def test_a_whole_filling_is_left_to_a_process(run):
    assert run(Did.NOT_ALLOWED) == ([1.0], 1)


def test_a_filling_that_failed_is_tried_again_later(run, caplog):
    assert run(Did.NOT_ALLOWED, Did.NOT_ALLOWED, rests=2, is_filled=False) == ([60.0, 60.0], 2)
    assert "was not filled" in caplog.text


def test_it_outlives_the_database(run, caplog):
    away = Unavailable("the database does not answer", hint="retry")
    assert run(away, Did.SOMETHING, rests=2) == ([1.0, 1.0], 0)
    assert "does not answer" in caplog.text
