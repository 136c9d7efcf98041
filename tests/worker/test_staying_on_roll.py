"""A node gives signs of life, and its gateways are told how many there are."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from tradewind.core.clock import SystemClock
from tradewind.db.database import Database
from tradewind.db.node_roll import Node, NodeCount, NodeRefused, join_roll
from tradewind.snapshot.live_gateways import LiveGateways, read_live_gateways
from tradewind.worker.node_roll import LiveNumber, stay_on_roll

PATIENCE_S = 60.0


def test_the_first_number_of_all_is_believed_and_told():
    number = LiveNumber(None)
    assert number.counted(NodeCount(2, 5), 100.0)
    assert number.live == LiveGateways(2, 5)
    assert not number.counted(NodeCount(2, 5), 102.0)


def test_more_gateways_are_believed_at_once():
    number = LiveNumber(None)
    number.counted(NodeCount(1, 1), 100.0)
    assert number.counted(NodeCount(2, 2), 102.0)
    assert number.live == LiveGateways(2, 2)


def test_fewer_are_believed_while_the_database_was_there_all_the_time():
    number = LiveNumber(None)
    for now in range(100, 132, 2):
        number.counted(NodeCount(3, 6), float(now))
    assert number.counted(NodeCount(2, 4), 132.0)
    assert number.live == LiveGateways(2, 4)


@pytest.mark.parametrize("known", [True, False], ids=["after a start", "after an outage"])
def test_fewer_are_not_believed_at_first_after_a_silence(*, known: bool):
    """The others were cut off from the database too, and are counted again in a moment."""
    number = LiveNumber(LiveGateways(3, 6) if known else None)
    if not known:
        for now in range(0, 60, 2):
            number.counted(NodeCount(3, 6), float(now))
    number.counted(NodeCount(1, 2), 100.0)
    assert number.live == LiveGateways(3, 6)
    for now in range(102, 130, 2):
        number.counted(NodeCount(2, 4), float(now))
    assert number.live == LiveGateways(3, 6)
    assert number.counted(NodeCount(2, 4), 130.0)
    assert number.live == LiveGateways(2, 4)


def test_a_host_never_counts_as_less_than_itself():
    number = LiveNumber(None)
    number.counted(NodeCount(0, 0), 100.0)
    assert number.live == LiveGateways(1, 1)


@pytest.mark.postgres
def test_it_tells_the_number_while_it_lives_and_leaves_at_the_end(
    database: Database, tmp_path: Path
):
    path, stop = tmp_path / "snapshot" / "live-gateways", threading.Event()
    with database.transaction() as tx:
        join_roll(tx, Node("other", "other", "1", 3, "pepper"))
    node = Node("a", "folder", "1", 2, "pepper")
    thread = threading.Thread(target=stay_on_roll, args=(database, node, path, SystemClock(), stop))
    thread.start()
    try:
        waiting = threading.Event()
        for _ in range(int(PATIENCE_S / 0.02)):
            if path.exists():
                break
            waiting.wait(0.02)
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert read_live_gateways(path) == LiveGateways(2, 5)
    with database.transaction() as tx:
        assert tx.execute(text("SELECT name FROM gateway_node")).scalars().all() == ["other"]


@pytest.mark.postgres
def test_it_ends_when_its_name_is_another_folders(database: Database, tmp_path: Path):
    with database.transaction() as tx:
        join_roll(tx, Node("a", "other", "1", 3, "pepper"))
    node = Node("a", "folder", "1", 2, "pepper")
    with pytest.raises(NodeRefused):
        stay_on_roll(database, node, tmp_path / "live", SystemClock(), threading.Event())
    assert not (tmp_path / "live").exists()
