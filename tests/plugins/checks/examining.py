"""How tests ask a local check about one text."""

from tradewind.plugins.checks.base import Content
from tradewind.snapshot.safety import Direction


def findings(
    check, text, *, direction=Direction.PROMPT, look_back=0, sources=(), data=(), **options
):
    content = Content(text, direction, look_back, tuple(sources))
    [verdict] = check.examine([content], options, list(data))
    return verdict.findings


def found(check, text, **more):
    """Return category, severity and the piece of the text that each finding spans."""
    return [
        (each.category, each.severity, text[each.start : each.end])
        for each in findings(check, text, **more)
    ]
