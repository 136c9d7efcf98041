"""Data of checks made by the members that read them. Imported when they are needed: training pulls
in numpy and the members' own tables.
"""

from collections.abc import Sequence
from typing import Any

from tradewind.core.errors import InvalidInput


def pack_blocklist(terms: Sequence[tuple[str, str, bool]]) -> bytes:
    """Return terms (id, text, is it an expression) as the check takes them. Raises InvalidInput."""
    from tradewind.plugins.checks.blocklist import Term, TermRefused, pack  # noqa: PLC0415

    try:
        return pack(Term(*each) for each in terms)
    except TermRefused as error:
        raise InvalidInput(f"the blocklist cannot be: {error}", hint="change that term") from error


def train_category(
    name: str,
    definition: str,
    positives: Sequence[str],
    negatives: Sequence[str],
    *,
    is_rapid: bool,
) -> tuple[bytes, dict[str, Any]]:
    """Return a category as the check takes it, and what was measured of it; a rapid one was not.

    Takes up to ten seconds. Raises InvalidInput, which never tells an example.
    """
    from tradewind.plugins.checks.custom_category import (  # noqa: PLC0415
        SamplesRefused,
        quality_of,
        rapid,
        train,
    )

    try:
        if is_rapid:
            return rapid(name, positives), {}
        packed = train(name, definition, positives, negatives)
    except SamplesRefused as error:
        raise InvalidInput(str(error), hint="change the examples") from error
    return packed, quality_of(packed) or {}


def index_corpus(
    texts: Sequence[tuple[str, str]], *, licence: str, citation: str, is_code: bool
) -> bytes:
    """Return texts (title, text) as the check takes them: hashes, never the texts."""
    from tradewind.plugins.checks.protected_material import Work, index  # noqa: PLC0415

    try:
        return index(Work(text, title, licence, citation, is_code) for title, text in texts)
    except ValueError as error:
        raise InvalidInput(str(error), hint="make another corpus of some of them") from error
