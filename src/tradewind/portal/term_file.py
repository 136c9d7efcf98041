"""A file of terms, one a line, as UTF-8. Pure."""

from tradewind.core.errors import InvalidInput
from tradewind.features.safety.rules.limits import ITEMS_MAX, TERM_MAX

MOST_BYTES = 2 * 1024 * 1024


def read_terms(raw: bytes) -> list[str]:
    """Return the terms in their order, each once; empty lines and those that begin with # are
    passed over. Raises InvalidInput that names the line.
    """
    if len(raw) > MOST_BYTES:
        raise InvalidInput(
            f"the file is longer than {MOST_BYTES // 1024:,} KiB", hint="split it into several"
        )
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InvalidInput("the file is no text in UTF-8", hint="save it as UTF-8") from None
    terms: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        term = line.strip()
        if not term or term.startswith("#"):
            continue
        if len(term) > TERM_MAX or not term.isprintable():
            raise InvalidInput(
                f"line {number} is no term of 1 to {TERM_MAX} characters", hint="shorten the term"
            )
        terms[term] = None
    if not terms:
        raise InvalidInput("there is no term in it", hint="write one on each line")
    if len(terms) > ITEMS_MAX:
        raise InvalidInput(
            f"these are {len(terms):,} terms, and a list has at most {ITEMS_MAX:,}",
            hint="split them into several lists",
        )
    return list(terms)
