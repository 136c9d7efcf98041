"""Who is on the roll of nodes, who is refused, and how many are counted."""

import pytest
from sqlalchemy import text

from tradewind.db.database import Database
from tradewind.db.node_roll import Node, NodeCount, NodeRefused, beat_roll, join_roll, leave_roll

pytestmark = pytest.mark.postgres


def node(name: str = "a", folder: str = "folder-a", life: str = "1", **changes: object) -> Node:
    return Node(name, folder, life, 2, "pepper")._replace(**changes)


def join(database: Database, each: Node) -> NodeCount:
    with database.transaction() as tx:
        return join_roll(tx, each)


def beat(database: Database, each: Node) -> NodeCount:
    with database.transaction() as tx:
        return beat_roll(tx, each)


def silence(database: Database, name: str, seconds: int) -> None:
    with database.transaction() as tx:
        tx.execute(
            text(
                "UPDATE gateway_node SET seen_at = now() - make_interval(secs => :s)"
                " WHERE name = :name"
            ),
            {"s": seconds, "name": name},
        )


def names(database: Database) -> list[str]:
    with database.transaction() as tx:
        return list(tx.execute(text("SELECT name FROM gateway_node ORDER BY name")).scalars())


def test_each_node_is_counted_with_its_gateways(database: Database):
    assert join(database, node()) == NodeCount(1, 2)
    assert join(database, node("b", "folder-b", gateways=3)) == NodeCount(2, 5)
    assert beat(database, node(gateways=4)) == NodeCount(2, 7)


def test_a_name_that_another_folder_serves_under_is_refused(database: Database):
    join(database, node())
    with pytest.raises(NodeRefused, match="another node named 'a' serves this database"):
        join(database, node(folder="folder-b", life="2"))
    assert beat(database, node()) == NodeCount(1, 2)


def test_a_name_that_has_been_silent_is_free(database: Database):
    join(database, node())
    silence(database, "a", 31)
    assert join(database, node(folder="folder-b", life="2")) == NodeCount(1, 2)
    with pytest.raises(NodeRefused):
        beat(database, node())


def test_a_folder_that_starts_again_takes_its_name_over_at_once(database: Database):
    join(database, node())
    assert join(database, node(life="2")) == NodeCount(1, 2)
    assert beat(database, node(life="2")) == NodeCount(1, 2)


def test_a_copy_of_a_folder_ousts_the_first_one_which_is_told(database: Database):
    join(database, node())
    join(database, node(life="of the copy"))
    with pytest.raises(NodeRefused):
        beat(database, node())


def test_a_node_that_was_renamed_is_not_counted_twice(database: Database):
    join(database, node())
    assert join(database, node("renamed", life="2")) == NodeCount(1, 2)
    assert names(database) == ["renamed"]


def test_a_silent_node_is_not_counted_and_comes_back_with_its_next_sign_of_life(
    database: Database,
):
    join(database, node())
    join(database, node("b", "folder-b"))
    silence(database, "b", 31)
    assert beat(database, node()) == NodeCount(1, 2)
    assert beat(database, node("b", "folder-b")) == NodeCount(2, 4)


def test_a_node_whose_row_was_forgotten_enters_again(database: Database):
    join(database, node())
    silence(database, "a", 100_000)
    join(database, node("b", "folder-b"))
    assert names(database) == ["b"]
    assert beat(database, node()) == NodeCount(2, 4)


def test_a_node_that_leaves_is_not_counted_and_takes_no_other_life_along(database: Database):
    join(database, node())
    join(database, node("b", "folder-b"))
    with database.transaction() as tx:
        leave_roll(tx, node("b", "folder-b"))
        leave_roll(tx, node(life="a former one"))
    assert beat(database, node()) == NodeCount(1, 2)


def test_another_pepper_is_refused_and_named(database: Database):
    join(database, node())
    with pytest.raises(NodeRefused, match=r"secrets/pepper of the node 'b' is not that of.*'a'"):
        join(database, node("b", "folder-b", secrets_check="other"))
    assert names(database) == ["a"]
