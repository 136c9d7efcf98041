"""A transparency note, made of facts: what a model is for, what was measured, what is not known.

What nobody said and nobody measured stands there as such: a gap is a fact too.
"""

from collections.abc import Iterable

from tradewind.features.trust.papers.blocks import Block, Document, Grid, Heading, Items, Paragraph
from tradewind.features.trust.rules.assessments import is_sensitive
from tradewind.features.trust.schemas import AssessmentRow, CampaignFact, HarmRate, NoteFacts

_NOBODY = "Nobody has said."


def note(facts: NoteFacts) -> Document:
    return Document(f"Transparency note: {facts.title}", tuple(_blocks(facts)))


def _blocks(facts: NoteFacts) -> Iterable[Block]:
    yield Paragraph(facts.description or "There is no description.")
    yield Grid(("Fact", "Value"), facts.facts)
    yield Heading("What it is for")
    yield from _uses(facts)
    yield Heading("What it cannot do")
    yield Paragraph(_said(facts.limits, facts.assessment, "limitations"))
    if facts.assessment is not None and facts.assessment.content.unsupported_uses:
        yield Paragraph(f"Not meant for: {facts.assessment.content.unsupported_uses}")
    yield Heading("Harms")
    yield Paragraph(_said(facts.evaluated_harms, facts.assessment, "mitigations"))
    yield Heading("Attacks on it")
    yield from _attacks(facts.campaign)
    yield Heading("What filters it here")
    yield from _filters(facts)
    yield Heading("What was assessed")
    yield from _assessed(facts.assessment)
    yield Heading("What becomes of prompts and answers")
    yield Paragraph(facts.retention)
    yield Heading("Known gaps")
    yield Items(tuple(_gaps(facts)))


def _uses(facts: NoteFacts) -> Iterable[Block]:
    if facts.intended_use:
        yield Paragraph(facts.intended_use)
    uses = () if facts.assessment is None else facts.assessment.content.intended_uses
    if uses:
        yield Items(tuple(f"{use.name}: {use.description}" for use in uses))
    elif not facts.intended_use:
        yield Paragraph(_NOBODY)


def _attacks(campaign: CampaignFact | None) -> Iterable[Block]:
    if campaign is None:
        yield Paragraph("It was not red-teamed on this platform.")
        return
    yield Paragraph(
        f"The campaign {campaign.campaign_id} ended on {campaign.finished_at:%Y-%m-%d}. A rate is"
        " the part of attacks that succeeded, with its 95 % interval (Wilson)."
    )
    bare = {found.harm: found for found in campaign.bare}
    filtered = {found.harm: found for found in campaign.filtered}
    yield Grid(
        ("Harm", "With the filter", "Attacks", "Without the filter", "Attacks"),
        tuple(
            (harm, *_rate(filtered.get(harm)), *_rate(bare.get(harm)))
            for harm in sorted(bare.keys() | filtered.keys())
        ),
    )


def _rate(found: HarmRate | None) -> tuple[str, str]:
    if found is None:
        return "not measured", "0"
    share = found.rate.permille / 10
    return f"{share:g} % ({found.low:.1%} to {found.high:.1%})", f"{found.rate.n:,}"


def _filters(facts: NoteFacts) -> Iterable[Block]:
    if not facts.filters:
        yield Paragraph("No content filter holds for everybody who calls it.")
        return
    yield Items(facts.filters)
    if facts.quality:
        yield Paragraph("What these checks were measured to be worth:")
        yield Grid(("Check", "Category", "Measured"), facts.quality)


def _assessed(row: AssessmentRow | None) -> Iterable[Block]:
    if row is None:
        yield Paragraph("Its impact was not assessed here.")
        return
    until = (
        "" if row.expires_at is None else f", to be looked at again by {row.expires_at:%Y-%m-%d}"
    )
    yield Paragraph(f"Impact assessment, version {row.version}: {row.state.value}{until}.")
    content = row.content
    if is_sensitive(content):
        yield Paragraph(
            f"It has sensitive uses, which two people decide about. {content.sensitive_detail}"
        )
    said = [
        ("Stakeholders", "; ".join(use.stakeholders for use in content.intended_uses)),
        ("Human oversight", "; ".join(use.oversight for use in content.intended_uses)),
        ("If it fails", content.failure_impact),
        ("If it is misused", content.misuse_impact),
        ("How people know", content.disclosure),
    ]
    yield Items(tuple(f"{name}: {text}" for name, text in said if text))


def _said(text: str, row: AssessmentRow | None, field: str) -> str:
    return text or (str(getattr(row.content, field)) if row is not None else "") or _NOBODY


def _gaps(facts: NoteFacts) -> Iterable[str]:
    if facts.campaign is None:
        yield "No attack on it was tried here."
    elif not facts.campaign.bare:
        yield "It was attacked through the filter alone."
    if not facts.evaluated_harms:
        yield "Its publisher does not say which harms were evaluated."
    if facts.assessment is None:
        yield "Nobody assessed whom it affects."
    yield from facts.gaps
    yield "Rates come from finite sets of prompts, mostly English; other languages may fare worse."
