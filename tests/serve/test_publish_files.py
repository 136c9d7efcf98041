"""`tradewind publish`: a file in, listings on their way; the same once more changes nothing."""

import json

import pytest

from tests.features.conftest import do, keys, operator, person, services
from tradewind.core.acting import By
from tradewind.core.errors import InvalidInput
from tradewind.db.sealing import Secret
from tradewind.features.providers.schemas import NewConnection
from tradewind.features.publishing.schemas import NewApplication
from tradewind.features.publishing.services import build_publishing
from tradewind.serve import publish as served

__all__ = ["do", "keys", "operator", "person", "services"]

MANIFEST = """
publisher: acme
defaults:
  licence: Apache-2.0
  connection: Groq
  intended_use: Short answers.
  limits: Knows little.
  evaluated_harms: Not evaluated.
models:
  - model: small
    display_name: Small
    version: "1.0"
    description: A small model.
    card: |
      # Small
      A small model that answers briefly, made for tests.
    upstream_model: acme-small
    input_price: 0.1
    output_price: 0.2
"""
README = "---\nlicense: mit\n---\n# Small\n\nA better description.\n\nMore text about this model."


@pytest.fixture
def publishing(services):
    return build_publishing(
        services.catalog,
        services.providers,
        services.endpoints,
        services.clock,
        artifacts=None,
    )


@pytest.fixture
def acme(do, services, publishing, operator):
    do(
        services.providers.add_connection,
        operator,
        NewConnection(Secret("gsk-0123456789-abcdefgh"), name="Groq", host="groq"),
    )
    new = NewApplication("acme", "Acme", "https://acme.example", "a@acme.example")
    by = By("user_grace", "Grace")
    asked = do(publishing.publishers.apply, operator, by, new)
    do(publishing.publishers.decide, operator, by, asked.application_id, is_accepted=True)


@pytest.fixture
def publish(database, services, publishing, tmp_path):
    def publish(text, name="manifest.yaml", **how):
        file = tmp_path / name
        file.write_text(text)
        wanted = served.How(**how)
        desired = served.read_file(file, wanted)
        return served.carry_out(database, services, publishing, desired, wanted)

    return publish


def test_a_manifest_is_submitted_and_the_same_once_more_changes_nothing(acme, publish):
    (first,) = publish(MANIFEST)
    assert (first.change, first.state, first.problems) == ("submitted", "submitted", {})
    assert {each.field for each in first.differences} >= {"display_name", "licence", "card"}

    (second,) = publish(MANIFEST)

    assert (second.change, second.listing_id) == ("unchanged", first.listing_id)
    assert second.differences == ()


def test_a_dry_run_shows_the_difference_and_leaves_nothing(acme, publish, do, publishing, operator):
    (shown,) = publish(MANIFEST, is_dry_run=True)

    assert shown.change == "submitted"
    assert do(publishing.listings.list_listings, operator) == []
    assert json.dumps(served.as_json([shown], is_dry_run=True))


def test_what_is_incomplete_is_kept_with_what_is_missing(acme, publish):
    text = MANIFEST.replace("  limits: Knows little.\n", "")

    (done,) = publish(text)

    assert (done.change, done.state) == ("begun", "draft")
    assert "limits" in done.problems
    assert served.status_of([done]) == 3


def test_what_came_back_is_not_submitted_again_by_itself(acme, publish, do, publishing, operator):
    (done,) = publish(MANIFEST)
    by = By("user_ada", "Ada")
    claimed = do(publishing.validations.claim)
    do(publishing.validations.settle, claimed.run_id)

    (again,) = publish(MANIFEST)
    assert (again.change, again.state) == ("unchanged", "draft")
    assert "it came back" in again.problems[""]

    (resubmitted,) = publish(MANIFEST, resubmits=True)
    assert resubmitted.state == "submitted"
    do(publishing.listings.withdraw, operator, by, done.listing_id)


def test_a_change_of_what_is_in_review_waits_for_a_withdrawal(acme, publish):
    publish(MANIFEST)

    (done,) = publish(MANIFEST.replace("Small\n", "Other\n", 1))

    assert done.change == "refused"
    assert "withdraw it" in done.problems[""]


def test_a_readme_leaves_alone_what_it_does_not_speak_of(acme, publish, do, publishing, operator):
    (done,) = publish(MANIFEST, submits=False)

    publish(README, "README.md", publisher="acme", model="small", submits=False)

    content = do(publishing.listings.get_listing, operator, done.listing_id).row.content
    assert (content.licence, content.description) == ("MIT", "A better description.")
    assert (content.limits, content.upstream_model) == ("Knows little.", "acme-small")


def test_a_feed_names_its_publisher_by_an_option(acme, publish):
    feed = json.dumps({"data": [{"id": "x/small", "pricing": {"prompt": "0.000001"}}]})
    with pytest.raises(InvalidInput, match="--publisher"):
        publish(feed, "feed.json")

    (done,) = publish(feed, "feed.json", publisher="acme", connection="Groq")

    assert (done.name, done.change) == ("acme/small", "begun")


def test_a_publisher_that_nobody_is_and_a_connection_that_is_not_there_are_told(acme, publish):
    (done,) = publish(MANIFEST.replace("publisher: acme", "publisher: openai"))
    assert "nobody is the verified publisher" in done.problems[""]

    (done,) = publish(MANIFEST.replace("connection: Groq", "connection: Nowhere"))
    assert "no connection 'Nowhere'" in done.problems[""]
