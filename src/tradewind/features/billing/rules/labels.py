"""What a label of a project may say. Pure."""

from tradewind.core.errors import InvalidInput
from tradewind.features.billing.schemas import Label

MOST_TAGS = 16
_LONGEST_CENTRE, _LONGEST_NAME, _LONGEST_VALUE = 100, 64, 200


def check_label(label: Label) -> None:
    """Raise InvalidInput for what is too long, too much, or not to be printed."""
    _check_text("cost_centre", label.cost_centre, _LONGEST_CENTRE)
    if len(label.tags) > MOST_TAGS:
        raise InvalidInput(f"there are more than {MOST_TAGS} tags")
    for name, value in label.tags.items():
        if not name:
            raise InvalidInput("a tag has no name")
        _check_text("the name of a tag", name, _LONGEST_NAME)
        _check_text(f"the tag {name[:_LONGEST_NAME]!r}", value, _LONGEST_VALUE)


def _check_text(what: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise InvalidInput(f"{what} is longer than {longest} characters")
    if not text.isprintable():
        raise InvalidInput(f"{what} has control characters")
