"""Takes secrets and personal data out of a text. Pure.

What is known by its form goes: keys and tokens, private keys, e-mail addresses, international phone
numbers, payment cards, bank accounts, and large base64, which nobody can read anyway. A password or
a name has no form, so they stay.

Texts are hostile. Every expression here either starts at a place that its lookbehind lets begin
once a run, or repeats a bounded number of times, and what it has taken it does not give back
(possessive quantifiers); so the time is linear in the text. Where an expression would have to look
back, the search starts at the rare character instead (`@`, `-----BEGIN`). Each rule is a pass of
its own, which holds the interpreter for at most 5 ms where a text is as long as may be kept; other
threads run in between.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from tradewind.plugins.checks.checksums import (
    CARD_LENGTHS,
    CARD_STARTS,
    IBAN_LENGTHS,
    is_card_number,
)
from tradewind.plugins.checks.pii_patterns import end_of_account

LONGEST_SECRET = 4096
"""Whoever cuts a text cuts it this far behind what is kept, redacts, and cuts again: what a secret
is known by lies within that distance of its start."""
_LONGEST_LOCAL_PART = 64
_LONGEST_PRIVATE_KEY = 32 * 1024
_LEAST_BASE64 = 512

_DATA_URL = re.compile(
    r"data:([\w.+-]{1,64}/[\w.+-]{1,64})(?:;[\w=.+-]{1,64}){0,4};base64,"
    # Lines are as long as MIME makes them, and what follows such a line may be prose.
    r"((?:[A-Za-z0-9+/=_-]|\r?\n(?=[A-Za-z0-9+/=_-]{60}))*+)",
    re.ASCII,
)
_BASE64 = re.compile(rf"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{{{_LEAST_BASE64},}}+={{0,2}}")
_BEGIN_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END_KEY = "-----END"
_DASHES = "-----"
_LONGEST_LABEL = 64
_JWT = re.compile(
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+){0,3}"
)
_AUTHORIZATION = re.compile(
    r"\b(bearer|basic)([ \t]{1,8})[A-Za-z0-9._~+/-]{16,}+={0,2}", re.IGNORECASE | re.ASCII
)
# Chosen by the makers of keys so that scanners find them; `tw_` and `sk-tw-` are our own.
_KEY_PREFIXES = (
    *("sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "tw-", "tw_"),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
    *("xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xapp-"),
    *("hf_", "npm_", "pypi-", "gsk_", "r8_", "xai-", "pplx-", "nvapi-"),
    *("AIza", "ya29.", "dop_v1_"),
)
_KEY = re.compile(
    rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, _KEY_PREFIXES))})[A-Za-z0-9_-]{{16,}}+"
)
_AWS_KEY = re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])")
_DOMAIN = re.compile(r"@(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{1,62}")
_LOCAL_PART = frozenset(".!#$%&'*+/=?^_`{|}~-")
_PHONE = re.compile(r"(?<![\w+])\+[1-9](?:[ \u00a0().\-/]{0,2}+[0-9]){7,14}+(?![0-9])")
_DIGITS = re.compile(r"[0-9]++")
_MOST_GROUPS = 5
_LEAST_GROUP = 4
"""Digits of each printed group but the last one."""
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?=[ \u00a0-]?[A-Za-z0-9])")
_SEPARATORS = " \u00a0-"


def redact(text: str) -> str:
    """Return the text with a mark such as `[e-mail address]` in place of each find."""
    for is_worth_it, rule in _RULES:
        if is_worth_it(text):
            text = rule(text)
    return text


def blob_mark(media_type: str, size: int) -> str:
    """Return what stands for bytes that nobody can read as text."""
    return f"[{media_type}, {size} bytes]"


def is_base64(text: str) -> bool:
    """Say whether a whole text is one large piece of base64."""
    return len(text) >= _LEAST_BASE64 and _BASE64.fullmatch(text) is not None


def base64_bytes(text: str) -> int:
    """Return how many bytes a base64 text stands for."""
    return len(text.rstrip("=")) * 3 // 4


def _data_urls(text: str) -> str:
    return _DATA_URL.sub(lambda found: blob_mark(found[1], base64_bytes(found[2])), text)


def _private_keys(text: str) -> str:
    return _cut(text, _spans_of_private_keys(text), "[private key]")


def _spans_of_private_keys(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while (begin := _BEGIN_KEY.search(text, at)) is not None:
        furthest = min(len(text), begin.end() + _LONGEST_PRIVATE_KEY)
        end = text.find(_END_KEY, begin.end(), furthest)
        if end < 0:
            # Where a key without an end stops cannot be told.
            at = furthest
        else:
            label = end + len(_END_KEY)
            dashes = text.find(_DASHES, label, label + _LONGEST_LABEL)
            at = label if dashes < 0 else dashes + len(_DASHES)
        yield begin.start(), at


def _mail_addresses(text: str) -> str:
    return _cut(text, _spans_of_mail_addresses(text), "[e-mail address]")


def _spans_of_mail_addresses(text: str) -> Iterator[tuple[int, int]]:
    for domain in _DOMAIN.finditer(text):
        start = domain.start()
        first = max(0, start - _LONGEST_LOCAL_PART)
        while start > first and (text[start - 1].isalnum() or text[start - 1] in _LOCAL_PART):
            start -= 1
        if start < domain.start():
            yield start, domain.end()


def _cards(text: str) -> str:
    return _cut(text, _spans_of_cards(text), "[card number]")


def _spans_of_cards(text: str) -> Iterator[tuple[int, int]]:
    """Try each group of digits as the first of a number: another one may stand right before it."""
    groups = [found.span() for found in _DIGITS.finditer(text)]
    done = 0
    for first, (start, _) in enumerate(groups):
        if start >= done and text[start] in CARD_STARTS:
            done = _end_of_card(text, groups, first)
            if done:
                yield start, done


def _end_of_card(text: str, groups: list[tuple[int, int]], first: int) -> int:
    """Return where the card number ends that begins with a group of digits; 0 is nowhere."""
    digits, before, found = "", groups[first][0], 0
    for start, end in groups[first : first + _MOST_GROUPS]:
        is_next = start == before or (start == before + 1 and text[before] in _SEPARATORS)
        if not is_next or len(digits) + end - start > CARD_LENGTHS.stop - 1:
            break
        digits += text[start:end]
        if is_card_number(digits):
            found = end
        if end - start < _LEAST_GROUP:
            break
        before = end
    return found


def _accounts(text: str) -> str:
    return _cut(text, _spans_of_accounts(text), "[IBAN]")


def _spans_of_accounts(text: str) -> Iterator[tuple[int, int]]:
    for head in _IBAN.finditer(text):
        length = IBAN_LENGTHS.get(head[0][:2].upper())
        if length is None:
            continue
        end = end_of_account(text, head.start(), length)
        if end:
            yield head.start(), end


def _cut(text: str, spans: Iterable[tuple[int, int]], mark: str) -> str:
    """Put the mark in place of each span. Spans come in order; one may begin within the former."""
    parts: list[str] = []
    done = 0
    for start, end in spans:
        if end <= done:
            continue
        if start >= done:
            parts += (text[done:start], mark)
        done = end
    return "".join([*parts, text[done:]]) if done else text


def _always(_text: str) -> bool:
    return True


def _has(*needles: str) -> Callable[[str], bool]:
    """Looking for a few characters is a hundred times faster than a pass."""
    return lambda text: any(needle in text for needle in needles)


# Large things first, so that no piece of one is taken for something else.
_RULES: tuple[tuple[Callable[[str], bool], Callable[[str], str]], ...] = (
    (_has(";base64,"), _data_urls),
    (_has("-----BEGIN "), _private_keys),
    (_has("eyJ"), lambda text: _JWT.sub("[token]", text)),
    (_always, lambda text: _AUTHORIZATION.sub(r"\1\2[token]", text)),
    (_has(*_KEY_PREFIXES), lambda text: _KEY.sub("[api key]", text)),
    (_has("AKIA", "ASIA", "ABIA", "ACCA"), lambda text: _AWS_KEY.sub("[api key]", text)),
    (
        lambda text: len(text) >= _LEAST_BASE64,
        lambda text: _BASE64.sub(lambda found: blob_mark("base64", base64_bytes(found[0])), text),
    ),
    (_has("@"), _mail_addresses),
    (_always, _accounts),
    (_always, _cards),
    (_has("+"), lambda text: _PHONE.sub("[phone number]", text)),
)
