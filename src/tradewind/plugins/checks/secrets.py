"""Keys, tokens and passwords that are known by their form.

Makers of keys give them prefixes so that scanners find them. One automaton looks for all prefixes
at once; only where one stands is the form tried, and what follows must look random: a placeholder
(`sk-xxxxxxxx`, `AKIA…EXAMPLE`) is no secret. What a whole form proves is sure (severity 6), what
has a prefix that others use as well is likely (4).
"""

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from tradewind.plugins.checks.automaton import Automaton
from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Verdict
from tradewind.plugins.checks.secret_forms import FORMS, LONG_FORMS, Form
from tradewind.snapshot.safety import Direction

_MOST_FINDINGS = 1000
_LONGEST_HEADER = 2048
_LONGEST_PRIVATE_KEY = 32 * 1024
_LONGEST_LABEL = 64
_BEGIN_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END_KEY = "-----END"
_DASHES = "-----"
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+){0,3}")
_URL_LOGIN = re.compile(
    r"://([^\s:/@?#\"'<>]{0,128}):([^\s/@\"'<>]{3,256})@[\w\[][\w.\-\[\]]{0,252}"
)
_SCHEME_LENGTH = 32
_PASSWORD = re.compile(
    r"(?i:accountkey|sharedaccesskey|password|pwd)\s?=\s?([^\s;\"'&<>{}$]{6,256})", re.ASCII
)
_STRING_PARTS = re.compile(
    r"(?i)(?:server|data source|host|endpoint|accountname|user id|uid|defaultendpointsprotocol)\s?="
)
_STRING_REACH = 256
_BEARER = re.compile(
    r"(?:bearer|basic)[ \t]{1,8}([A-Za-z0-9._~+/-]{16,4096}+={0,2})", re.IGNORECASE
)
_STUB = re.compile(
    r"(?:github_pat_|sk-or-v1-|SG\.|[a-zA-Z]{2,4}_v1_|[A-Za-z-]{4,16})([\w./+-]{32,})"
)
_PLACEHOLDER = re.compile(
    r"example|placeholder|changeme|your[_-]?|redacted|xxxx|\*{3}|\.{3}|dummy|sample|insert|replace|"
    r"0{8}|12345678|abcdefgh|^pass(?:word)?$|^secret$|^<|^\$|^%\(|^\{|\{\{",
    re.IGNORECASE,
)


class _Hit(NamedTuple):
    kind: str
    prefix: str
    form: Form | None = None


class Secrets:
    name: ClassVar[str] = "secrets"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset({"secret"})
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 100_000
    hold_back: ClassVar[int] = 64

    def __init__(self) -> None:
        words: dict[str, list[_Hit]] = {}
        for form in FORMS:
            for prefix in form.prefixes:
                words.setdefault(prefix, []).append(_Hit("form", prefix, form))
        for kind, prefixes in _STARTS.items():
            for prefix in prefixes:
                words.setdefault(prefix, []).append(_Hit(kind, prefix))
        self._automaton = Automaton({word: tuple(hits) for word, hits in words.items()})

    def prepare(self, name: str, raw: bytes) -> object:
        del name, raw
        raise CheckFailed("secrets are found without data of a policy")

    def examine(
        self, contents: Sequence[Content], options: Mapping[str, str], data: Sequence[object]
    ) -> list[Verdict]:
        del options, data
        return [
            Verdict(self.name, self.version, _findings(self._automaton, content))
            for content in contents
        ]


_STARTS = {
    "jwt": ("eyJ",),
    "private_key": ("-----BEGIN ",),
    "url_login": ("://",),
    "password": (
        *(
            "Password=",
            "password=",
            "PASSWORD=",
            "Pwd=",
            "pwd=",
            "PWD=",
            "Password =",
            "password =",
        ),
        *("AccountKey=", "SharedAccessKey="),
    ),
    "bearer": ("Bearer ", "bearer ", "BEARER ", "Basic ", "basic "),
}


def _findings(automaton: Automaton[tuple[_Hit, ...]], content: Content) -> tuple[Finding, ...]:
    text = content.text
    found: list[Finding] = []
    for last, hits in automaton.hits(text):
        for hit in hits:
            finding = _at(hit, text, last + 1 - len(hit.prefix))
            if finding is not None:
                found.append(finding)
        if len(found) >= _MOST_FINDINGS:
            break
    kept: list[Finding] = []
    done = 0
    for each in sorted(found, key=lambda each: (each.start, -each.severity, -each.end)):
        if each.start >= done:
            done = each.end
            if each.end > content.look_back:
                kept.append(each)
    return tuple(kept)


def _at(hit: _Hit, text: str, start: int) -> Finding | None:
    match hit.kind:
        case "jwt":
            return _token(text, start)
        case "private_key":
            return _private_key(text, start)
        case "url_login":
            return _url_login(text, start)
        case "password":
            return _password(text, start)
        case "bearer":
            return _bearer(text, start)
        case _:
            assert hit.form is not None, "a prefix belongs to a form"
            return _of_form(hit.form, text, start)


def _secret(severity: int, start: int, end: int, source: str, label: str) -> Finding:
    return Finding("secret", severity, 1.0 if severity == 6 else 0.8, start, end, source, label)


def _of_form(form: Form, text: str, start: int) -> Finding | None:
    if start and text[start].isalnum() and (text[start - 1].isalnum() or text[start - 1] == "_"):
        return None
    found = form.pattern.match(text, start) or _stub(form, text, start)
    if found is None or not is_random(found[1], form.least_entropy):
        return None
    if form.context is not None:
        before = text[max(0, start - 64) : start].lower()
        if not any(word in before for word in form.context):
            return None
    return _secret(form.severity, *found.span(), form.name, form.label)


def _stub(form: Form, text: str, start: int) -> re.Match[str] | None:
    """Match the beginning of a long key at the end of a text: in a stream the rest is still to
    come, and by then the beginning would have gone out.
    """
    found = _STUB.match(text, start) if form.name in LONG_FORMS else None
    return found if found is not None and found.end() == len(text) else None


def is_random(body: str, least_entropy: float) -> bool:
    """Say whether characters may be drawn by chance: no words of examples, enough different ones
    (in bits a character).
    """
    if _PLACEHOLDER.search(body) is not None:
        return False
    count = len(body)
    return (
        -sum(times / count * math.log2(times / count) for times in Counter(body).values())
        >= least_entropy
    )


def _token(text: str, start: int) -> Finding | None:
    if start and (text[start - 1].isalnum() or text[start - 1] in "_-"):
        return None
    found = _JWT.match(text, start)
    if found is None:
        return None
    header = found[0].partition(".")[0][:_LONGEST_HEADER]
    try:
        raw = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
    except (binascii.Error, ValueError):
        return None
    return _secret(6, *found.span(), "jwt", "TOKEN") if b'"alg"' in raw else None


def _private_key(text: str, start: int) -> Finding | None:
    begin = _BEGIN_KEY.match(text, start)
    if begin is None:
        return None
    furthest = min(len(text), begin.end() + _LONGEST_PRIVATE_KEY)
    end = text.find(_END_KEY, begin.end(), furthest)
    if end < 0:
        # Where a key without an end stops cannot be told.
        return _secret(6, start, furthest, "private-key", "PRIVATE_KEY")
    label = end + len(_END_KEY)
    dashes = text.find(_DASHES, label, label + _LONGEST_LABEL)
    stop = label if dashes < 0 else dashes + len(_DASHES)
    return _secret(6, start, stop, "private-key", "PRIVATE_KEY")


def _url_login(text: str, start: int) -> Finding | None:
    found = _URL_LOGIN.match(text, start)
    if found is None or _PLACEHOLDER.search(found[2]) or found[2].lower() in _NO_PASSWORDS:
        return None
    first = max(0, start - _SCHEME_LENGTH)
    scheme = start
    while scheme > first and (text[scheme - 1].isalnum() or text[scheme - 1] in "+.-"):
        scheme -= 1
    return _secret(6, scheme, found.end(), "url-with-password", "CREDENTIALS")


_NO_PASSWORDS = frozenset(("pass", "password", "passwd", "secret", "pwd", "token", "user", "pw"))


def _password(text: str, start: int) -> Finding | None:
    """A password is one where it stands in a connection string."""
    found = _PASSWORD.match(text, start)
    if found is None or _PLACEHOLDER.search(found[1]) or found[1].lower() in _NO_PASSWORDS:
        return None
    around = text[max(0, start - _STRING_REACH) : found.end() + _STRING_REACH // 2]
    before, _, after = around.partition(found[0])
    if ";" not in before[-2:] + after[:1] or _STRING_PARTS.search(around) is None:
        return None
    return _secret(6, *found.span(1), "connection-string", "PASSWORD")


def _bearer(text: str, start: int) -> Finding | None:
    found = _BEARER.match(text, start)
    # Words follow "basic" too.
    if (
        found is None
        or not any(each.isdigit() for each in found[1])
        or not is_random(found[1], 3.2)
    ):
        return None
    return _secret(4, *found.span(1), "authorization", "TOKEN")
