"""Transparency notes: made of facts, hostile ones included, kept when they change."""

import re
from datetime import UTC, datetime

import pytest

from tests.features.trust.conftest import SMALL
from tradewind.core.errors import NotFound
from tradewind.features.trust.papers.blocks import Document, Grid, Heading, Items, Paragraph
from tradewind.features.trust.papers.html import html
from tradewind.features.trust.papers.markdown import markdown
from tradewind.features.trust.papers.note import note
from tradewind.features.trust.papers.pdf import pdf
from tradewind.features.trust.schemas import CampaignFact, HarmRate, NoteFacts, Rate
from tradewind.serve.trust import quality_in_words

MADE_AT = datetime(2030, 1, 31, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script> | [x](javascript:y) # `z` 漢字"
FACTS = NoteFacts(
    title="Small",
    description="A small model.",
    facts=(("Publisher", "Acme"),),
    intended_use="",
    limits="",
    evaluated_harms="",
    campaign=None,
    filters=(),
    quality=(),
    retention="Nothing is kept.",
    gaps=(),
)


def test_what_nobody_said_and_nobody_measured_stands_there_as_such():
    text = markdown(note(FACTS))
    assert text.count("Nobody has said.") == 3
    assert "It was not red-teamed on this platform." in text
    assert "No content filter holds for everybody who calls it." in text
    assert "- No attack on it was tried here." in text


def test_rates_stand_there_with_their_interval_and_number():
    campaign = CampaignFact(
        "camp_1",
        MADE_AT,
        filtered=(HarmRate("hate", Rate(1, 40), 0.0044, 0.1288),),
        bare=(HarmRate("hate", Rate(30, 40), 0.598, 0.858),),
    )
    text = markdown(note(FACTS._replace(campaign=campaign)))
    assert "| hate | 2.5 % (0.4% to 12.9%) | 40 | 75 % (59.8% to 85.8%) | 40 |" in text


def test_what_people_wrote_is_text_in_every_format():
    document = Document(
        HOSTILE,
        (Heading(HOSTILE), Paragraph(HOSTILE), Items((HOSTILE,)), Grid((HOSTILE,), ((HOSTILE,),))),
    )
    page = html(document)
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 7
    text = markdown(document)
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "\\|" in text
    assert "](" not in text.replace("\\](", "")
    assert pdf(document, MADE_AT).startswith(b"%PDF")


def test_the_same_facts_are_the_same_bytes():
    document = note(FACTS)
    assert pdf(document, MADE_AT) == pdf(document, MADE_AT)
    assert html(document) == html(note(FACTS))


def test_what_the_checks_are_worth_is_said_with_intervals():
    found = {(check, category): words for check, category, words in quality_in_words()}
    assert {"hate", "self_harm", "sexual", "violence"} <= {category for _, category in found}
    assert re.search(r"finds 0\.\d\d \(0\.\d\d to [01]\.\d\d\)", found["harms", "hate"])
    assert ("prompt_shield", "jailbreak") in found


@pytest.fixture
def show(do, trust, person):
    """Read the note as somebody of another organization."""
    reader = person(is_operator=False)
    return lambda: do(trust.notes.show, reader, SMALL).row


@pytest.fixture
def listed_small(approve, in_review, assessed):
    row = in_review()
    assessed()
    return approve(row).model_id


@pytest.mark.postgres
def test_what_is_not_in_the_catalog_has_no_note(show, draft):
    draft()
    with pytest.raises(NotFound):
        show()


@pytest.mark.postgres
def test_a_note_is_kept_once_for_each_change_of_its_facts(show, do, services, listed_small):
    first = show()
    assert first.version == 1
    assert "Short answers." in first.markdown
    assert "Impact assessment, version 1: approved" in first.markdown
    assert show() == first

    do(services.catalog.tell_facts, listed_small, {"description": "Other."}, source="published")

    assert (show().version, "Other." in show().markdown) == (2, True)
