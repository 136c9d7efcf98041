"""Texts that people write, cleaned."""

from collections.abc import Iterable

from tradewind.core.errors import InvalidInput

TEXT_MAX = 20_000
TITLE_MAX = 200
COMMENT_MAX = 1_000
AFFECTED_MAX = 100
_KINDS = ("organization", "endpoint", "model", "key", "project")


def clean_title(text: str) -> str:
    return _clean(text, "a title", TITLE_MAX)


def clean_text(text: str, what: str) -> str:
    return _clean(text, what, TEXT_MAX)


def clean_comment(text: str) -> str:
    """It may be empty. Raises InvalidInput."""
    comment = text.strip()
    if len(comment) > COMMENT_MAX or "\0" in comment:
        raise InvalidInput(f"a comment has up to {COMMENT_MAX} characters")
    return comment


def clean_affected(subjects: Iterable[str]) -> list[str]:
    """Return what an incident affects, in order and each once. Raises InvalidInput."""
    found: list[str] = []
    for subject in subjects:
        kind, _, name = subject.strip().partition(":")
        is_name = 0 < len(name) <= TITLE_MAX and name.isprintable()
        if kind not in _KINDS or not is_name:
            raise InvalidInput(
                f"{subject[:80]!r} names nothing that can be affected",
                hint=f"write {', '.join(f'{each}:…' for each in _KINDS)}",
            )
        found.append(f"{kind}:{name}")
    if len(found) > AFFECTED_MAX:
        raise InvalidInput(f"an incident names at most {AFFECTED_MAX} subjects")
    return sorted(set(found))


def _clean(text: str, what: str, most: int) -> str:
    cleaned = text.strip()
    if not cleaned or len(cleaned) > most or "\0" in cleaned:
        raise InvalidInput(f"{what} has 1 to {most} characters", hint="write it in some words")
    return cleaned
