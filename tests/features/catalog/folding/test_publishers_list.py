"""The list of publishers, and what a list must not say."""

import re

import pytest

from tradewind.features.catalog.folding.publishers import known_publishers, read_publishers

EMPTY = """
carriers = []
routers = []
prefixes = []
changed = []
[publishers.a]
name = "A"
names = ["a"]
"""


def test_every_publisher_has_a_name_and_a_slug_that_can_be_said():
    known = known_publishers()
    assert len(known.by_slug) >= 130
    for slug, publisher in known.by_slug.items():
        assert re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", slug)
        assert publisher.name.strip() == publisher.name != ""
        assert publisher.website.startswith("https://") or not publisher.website


def test_every_namespace_stands_for_one_publisher_and_every_publisher_for_its_own():
    known = known_publishers()
    assert all(known.namespaces[slug].publisher == slug for slug in known.by_slug)
    assert {maker.publisher for maker in known.namespaces.values()} == {*known.by_slug}


def test_what_begins_a_name_ends_with_a_word():
    known = known_publishers()
    assert known.by_name("ling-2.6-1t") == "inclusionai"
    assert known.by_name("ling2") == "inclusionai"
    assert known.by_name("lingua-1") is None
    assert known.by_name("") is None


def test_the_longest_beginning_decides():
    known = known_publishers()
    assert known.by_name("llama-3.3-70b") == "meta"
    assert known.by_name("llama-3.3-nemotron-super-49b") == "nvidia"


def test_a_list_that_is_right_is_read():
    assert read_publishers(EMPTY).by_name("a-1") == "a"


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ('[publishers.b]\nname = "B"\nnames = ["a"]\n', "'a' stands for two publishers"),
        ('[publishers.b]\nname = "B"\nnamespaces = ["a"]\n', "'a' stands for two publishers"),
    ],
)
def test_a_list_that_contradicts_itself_is_refused(wrong, what):
    with pytest.raises(ValueError, match=what):
        read_publishers(EMPTY + wrong)


def test_a_namespace_is_not_a_carrier_too():
    with pytest.raises(ValueError, match="both carriers"):
        read_publishers(EMPTY.replace("carriers = []", 'carriers = ["a"]'))
