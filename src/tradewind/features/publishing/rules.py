"""The rules of publishing: pure, without clock, database or randomness.

draft ──► submitted ──► in_review ──► approved ──► listed ──► delisted
  ▲            │             │            │
  └────────────┴─────────────┴────────────┘   withdrawn, failed or sent back, with the reason
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from tradewind.core.acting import By
from tradewind.core.base_urls import parse_base_url
from tradewind.core.errors import InvalidInput
from tradewind.core.money import parse_nanos
from tradewind.core.reasons import clean_reason
from tradewind.features.catalog.folding.licences import licence_of
from tradewind.features.publishing.errors import ListingMove, SelfReview
from tradewind.features.publishing.schemas import (
    Check,
    CheckState,
    Content,
    Difference,
    Move,
    NewApplication,
    RunState,
    State,
)

CARD_MAX = 200 * 1024
"""Characters of Markdown; the catalog takes as many bytes."""
DESCRIPTION_MAX = 600
SHORT_MAX = 2_000
"""Of each safety fact, and of a reason."""
NAME_MAX = 120
LEAST_CARD = 40
"""Characters: less is no description of anything."""
OPERATIONS = ("chat", "completions", "embeddings", "rerank", "images", "speech")
"""What a validation run can try, and so what can be published."""
BOUND_OPERATIONS = frozenset({"images", "speech"})
"""What no engine here loads: such a model is tried, and published, at a provider's host alone."""
CAPABILITIES = ("tools", "structured_output", "reasoning", "attachments", "temperature")
VISIBILITIES = ("listed", "unlisted", "private")
CALLED = ("load", "smoke", "tools", "json")
"""Checks that need the model itself."""
CHECKS = ("artifact", "digests", "scan", "licence", "card", *CALLED)
"""In the order in which they are made."""
REQUIRED_TO_PASS = ("artifact", "licence", "card", "load", "smoke")
"""A run in which one of these was skipped has shown nothing."""
WELL_KNOWN = "/.well-known/tradewind-publisher"
CHALLENGE = "_tradewind-challenge"
"""The name below a publisher's domain whose TXT record proves it."""
LOOKED_FOR_AGAIN = timedelta(days=1)
"""How often what proved a publisher is looked for again."""
LAPSES_AFTER = timedelta(days=30)
"""How long it may be missing: websites move, and domains are handed over."""
STEPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "model",
        "Model",
        (
            "display_name",
            "operation",
            "version",
            "family",
            "context_tokens",
            "max_output_tokens",
            "capabilities",
        ),
    ),
    ("card", "Card", ("description", "card")),
    (
        "source",
        "Source",
        ("artifact", "connection_id", "upstream_model", "input_price", "output_price"),
    ),
    ("licence", "Licence", ("licence", "licence_url", "is_gated", "visibility")),
    ("safety", "Safety", ("intended_use", "limits", "evaluated_harms")),
)
"""Pages of the wizard with the fields of each."""

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?")
_PUBLISHER = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,78}[A-Za-z0-9])?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LICENCE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.+-]{0,80})?")
_CONTACT = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?")
_CONTEXT_MAX = 100_000_000


class _Way(NamedTuple):
    former: frozenset[State]
    state: State
    takes_reason: bool = False


_WAYS: dict[Move, _Way] = {
    Move.SUBMIT: _Way(frozenset({State.DRAFT}), State.SUBMITTED),
    Move.WITHDRAW: _Way(frozenset({State.SUBMITTED, State.IN_REVIEW}), State.DRAFT),
    Move.PASS: _Way(frozenset({State.SUBMITTED}), State.IN_REVIEW),
    Move.FAIL: _Way(frozenset({State.SUBMITTED}), State.DRAFT, takes_reason=True),
    Move.SEND_BACK: _Way(
        frozenset({State.IN_REVIEW, State.APPROVED}), State.DRAFT, takes_reason=True
    ),
    Move.APPROVE: _Way(frozenset({State.IN_REVIEW}), State.APPROVED),
    Move.LIST: _Way(frozenset({State.APPROVED}), State.LISTED),
    Move.DELIST: _Way(frozenset({State.LISTED}), State.DELISTED, takes_reason=True),
    Move.REPLACE: _Way(frozenset({State.LISTED}), State.DELISTED, takes_reason=True),
}


def moved(
    state: State,
    move: Move,
    *,
    by: By,
    submitted_by: By | None = None,
    reason: str = "",
    is_validated: bool = False,
    allows_self_review: bool = False,
) -> State:
    """Return the state after a move. Raises ListingMove (409), SelfReview (403), InvalidInput."""
    way = _WAYS[move]
    if state not in way.former:
        raise ListingMove(
            f"a listing that is {state.value.replace('_', ' ')} cannot {_VERBS[move]}",
            hint=f"what can be done is: {', '.join(map(_verb, moves_from(state))) or 'nothing'}",
        )
    if move is Move.APPROVE:
        if is_self_review(by, submitted_by) and not allows_self_review:
            raise SelfReview(
                "you submitted this listing, so another person reviews it",
                hint="ask another administrator; where there is none, whoever runs the platform"
                " can set TRADEWIND_SELF_REVIEW",
            )
        if not is_validated:
            raise ListingMove(
                "no validation run of this listing has passed",
                hint="send it back, so that it is submitted and tried anew",
            )
    if way.takes_reason:
        clean_reason(reason)
    return way.state


def is_self_review(by: By, submitted_by: By | None) -> bool:
    """Say whether an approval would be that of the person who submitted the listing."""
    return submitted_by is not None and submitted_by.id == by.id


def moves_from(state: State) -> list[Move]:
    """Return what can be done with a listing, the platform's own moves included."""
    return [move for move, way in _WAYS.items() if state in way.former]


def problems(content: Content) -> dict[str, InvalidInput]:
    """Return what keeps a listing from being submitted, by field; nothing when it is complete."""
    found: dict[str, InvalidInput] = {}
    for field, check in _FIELDS.items():
        try:
            check(content)
        except InvalidInput as error:
            found[field] = error
    return found


def problems_of(content: Content, fields: Iterable[str]) -> dict[str, InvalidInput]:
    wanted = frozenset(fields)
    return {field: error for field, error in problems(content).items() if field in wanted}


def check_bounds(content: Content) -> None:
    """Raise InvalidInput for what may not even be kept in a draft."""
    for name, value in _texts(content):
        most = CARD_MAX if name == "card" else SHORT_MAX
        if len(value) > most or "\x00" in value:
            raise InvalidInput(f"{name} is longer than {most} characters, or has a zero in it")
    if len(content.capabilities) > len(CAPABILITIES):
        raise InvalidInput("capabilities has more entries than there are capabilities")
    for name in ("context_tokens", "max_output_tokens"):
        value = getattr(content, name)
        if value is not None and not 0 <= value <= _CONTEXT_MAX:
            raise InvalidInput(f"{name} is not between 0 and {_CONTEXT_MAX}")


def differences(before: Content | None, after: Content) -> tuple[Difference, ...]:
    """Return the fields that differ, in their order; against nothing, all that are filled in."""
    former = before or Content(operation="", visibility="")
    found: list[Difference] = []
    for name in Content.__struct_fields__:
        old, new = written(getattr(former, name)), written(getattr(after, name))
        if old != new:
            found.append(Difference(name, old, new))
    return tuple(found)


def written(value: object) -> str:
    """Return the value of a field as people read it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(str(one) for one in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        case _:
            return str(value)


def verdict(checks: Sequence[Check]) -> RunState:
    """Return what came of a run: passed only when nothing failed and what matters was tried."""
    by_name = {check.name: check.state for check in checks}
    if CheckState.FAILED in by_name.values():
        return RunState.FAILED
    if all(by_name.get(name) is CheckState.PASSED for name in REQUIRED_TO_PASS):
        return RunState.PASSED
    return RunState.FAILED


def failures(checks: Sequence[Check]) -> str:
    """Return why a run failed, a line for each check."""
    lines = [
        f"{check.name}: {check.detail}" for check in checks if check.state is CheckState.FAILED
    ]
    tried = {check.name for check in checks if check.state is not CheckState.SKIPPED}
    lines += [f"{name}: was not tried" for name in REQUIRED_TO_PASS if name not in tried]
    return "\n".join(lines)[:SHORT_MAX]


def clean_application(new: NewApplication) -> NewApplication:
    """Raises InvalidInput, for the first field that is wrong."""
    for field in ("slug", "name", "website", "contact"):
        check_application_field(field, getattr(new, field).strip())
    return replace(
        new,
        slug=new.slug.strip(),
        name=new.name.strip(),
        website=new.website.strip().rstrip("/"),
        contact=new.contact.strip(),
    )


def check_application_field(field: str, value: str) -> None:
    """Raises InvalidInput."""
    match field:
        case "slug":
            if not _PUBLISHER.fullmatch(value):
                raise InvalidInput(
                    "this cannot be the name of a publisher",
                    hint="use up to 64 lower-case letters, digits, '.', '_' and '-'",
                )
        case "name":
            if not 1 <= len(value) <= NAME_MAX or not value.isprintable():
                raise InvalidInput(f"a name has 1 to {NAME_MAX} printable characters")
        case "website":
            _check_website(value)
        case _:
            if not _CONTACT.fullmatch(value) or not value.isprintable():
                raise InvalidInput("this is no e-mail address", hint="write name@example.org")


def check_slug(slug: str) -> None:
    """Raises InvalidInput."""
    if not _SLUG.fullmatch(slug):
        raise InvalidInput(
            "this cannot be the name of a model",
            hint="use up to 100 lower-case letters, digits, '.', '_' and '-'",
        )


def is_proved(body: bytes, proof: str) -> bool:
    """Say whether the file of a website has the proof on a line of its own."""
    return proof in body.decode("utf-8", "replace").split()


def challenge_of(website: str) -> str | None:
    """Return the name of the TXT record that proves a website's domain; None for an address, which
    has no domain. Raises ValueError for what is no website.
    """
    url = parse_base_url(website)
    if url.is_address:
        return None
    return f"{CHALLENGE}.{url.host.removeprefix('www.').rstrip('.')}"


def is_lapsed(missing_since: datetime, now: datetime) -> bool:
    """Say whether a proof has been missing for too long."""
    return now - missing_since >= LAPSES_AFTER


def price_nanos(text: str) -> int | None:
    """Return nanos for 1,000,000 tokens; None is not told. Raises InvalidInput."""
    if not text:
        return None
    if not _AMOUNT.fullmatch(text):
        raise InvalidInput("this is no amount", hint="write a decimal number like 0.15")
    return parse_nanos(text)


def _check_website(value: str) -> None:
    try:
        url = parse_base_url(value)
    except ValueError as error:
        raise InvalidInput(f"the website {error}", hint="write https://example.org") from error
    if url.scheme != "https":
        raise InvalidInput(
            "the website is not encrypted, so it proves nothing", hint="write https://"
        )


def _display_name(content: Content) -> None:
    if not 1 <= len(content.display_name) <= NAME_MAX or not content.display_name.isprintable():
        raise InvalidInput(f"a display name has 1 to {NAME_MAX} printable characters")


def _operation(content: Content) -> None:
    if content.operation not in OPERATIONS:
        raise InvalidInput(
            f"models for {content.operation[:40]!r} cannot be validated here yet",
            hint=f"choose among {', '.join(OPERATIONS)}",
        )


def _version(content: Content) -> None:
    if not _LABEL.fullmatch(content.version):
        raise InvalidInput(
            "a version is up to 80 letters, digits, '.', '_', '+' and '-'", hint="for example 1.0"
        )


def _family(content: Content) -> None:
    if len(content.family) > NAME_MAX or (content.family and not content.family.isprintable()):
        raise InvalidInput(f"a family has up to {NAME_MAX} printable characters")


def _context(content: Content) -> None:
    tokens = content.context_tokens
    if tokens is not None and not 1 <= tokens <= _CONTEXT_MAX:
        raise InvalidInput(f"the context is 1 to {_CONTEXT_MAX} tokens")


def _output(content: Content) -> None:
    tokens, context = content.max_output_tokens, content.context_tokens
    if tokens is not None and not 0 <= tokens <= (context or _CONTEXT_MAX):
        raise InvalidInput("the longest answer is not longer than the context")


def _capabilities(content: Content) -> None:
    unknown = sorted(set(content.capabilities) - set(CAPABILITIES))
    if unknown:
        raise InvalidInput(
            f"there is no capability {unknown[0][:40]!r}",
            hint=f"choose among {', '.join(CAPABILITIES)}",
        )


def _description(content: Content) -> None:
    if not 1 <= len(content.description.strip()) <= DESCRIPTION_MAX:
        raise InvalidInput(f"a description has 1 to {DESCRIPTION_MAX} characters")


def _card(content: Content) -> None:
    if len(content.card.strip()) < LEAST_CARD:
        raise InvalidInput(
            f"a card has at least {LEAST_CARD} characters",
            hint="say what the model is for, and how it was made",
        )
    if len(content.card.encode()) > CARD_MAX:
        raise InvalidInput("a card has at most 200 KiB")


def _artifact(content: Content) -> None:
    if content.artifact and content.connection_id:
        raise InvalidInput(
            "an artifact and a connection are given", hint="one of them answers for the model"
        )
    if content.artifact and content.operation in BOUND_OPERATIONS:
        raise InvalidInput(
            f"no engine here loads files of models for {content.operation}, so nothing could be"
            " tried",
            hint="choose a connection to the host that answers for it",
        )
    if content.artifact and not _DIGEST.fullmatch(content.artifact):
        raise InvalidInput("an artifact is named by its digest, sha256:…")
    if not content.artifact and not content.connection_id:
        raise InvalidInput("nothing answers for the model", hint="choose files or a connection")


def _upstream(content: Content) -> None:
    if content.connection_id and not 1 <= len(content.upstream_model) <= 200:
        raise InvalidInput("what the host calls the model is missing")


def _licence(content: Content) -> None:
    parts = re.split(r" (?:AND|OR|WITH) ", content.licence)
    if not all(map(_is_licence, (part.strip("()") for part in parts))):
        raise InvalidInput(
            "the licence is not known",
            hint="write its SPDX id, like Apache-2.0, or LicenseRef-… for one without",
        )


def _is_licence(text: str) -> bool:
    is_own = text.startswith("LicenseRef-") and _LICENCE.fullmatch(text) is not None
    return is_own or bool(licence_of(text))


def _licence_url(content: Content) -> None:
    if content.licence_url:
        try:
            parse_base_url(content.licence_url.partition("?")[0].partition("#")[0])
        except ValueError as error:
            raise InvalidInput(f"the address {error}") from error
    elif content.licence.startswith("LicenseRef-"):
        raise InvalidInput("a licence without an SPDX id needs an address where it is read")


def _visibility(content: Content) -> None:
    if content.visibility not in VISIBILITIES:
        raise InvalidInput(f"choose among {', '.join(VISIBILITIES)}")


def _short(field: str, example: str) -> Callable[[Content], None]:
    def check(content: Content) -> None:
        if not 1 <= len(getattr(content, field).strip()) <= SHORT_MAX:
            raise InvalidInput(f"this has 1 to {SHORT_MAX} characters", hint=example)

    return check


def _price(field: str) -> Callable[[Content], None]:
    def check(content: Content) -> None:
        price_nanos(getattr(content, field))
        if bool(content.input_price) != bool(content.output_price):
            raise InvalidInput("give both prices, or none")

    return check


_FIELDS: dict[str, Callable[[Content], None]] = {
    "display_name": _display_name,
    "operation": _operation,
    "version": _version,
    "family": _family,
    "context_tokens": _context,
    "max_output_tokens": _output,
    "capabilities": _capabilities,
    "description": _description,
    "card": _card,
    "artifact": _artifact,
    "upstream_model": _upstream,
    "input_price": _price("input_price"),
    "output_price": _price("output_price"),
    "licence": _licence,
    "licence_url": _licence_url,
    "visibility": _visibility,
    "intended_use": _short("intended_use", "say what it is made for"),
    "limits": _short("limits", "say what it is not made for, and where it fails"),
    "evaluated_harms": _short("evaluated_harms", "say what was tested, or 'not evaluated'"),
}
_VERBS = {
    Move.SUBMIT: "be submitted",
    Move.WITHDRAW: "be withdrawn",
    Move.PASS: "go to review",
    Move.FAIL: "fail its validation",
    Move.SEND_BACK: "be sent back",
    Move.APPROVE: "be approved",
    Move.LIST: "be listed",
    Move.DELIST: "be delisted",
    Move.REPLACE: "be replaced",
}


def _verb(move: Move) -> str:
    return _VERBS[move].removeprefix("be ")


def _texts(content: Content) -> list[tuple[str, str]]:
    found = [
        (name, value)
        for name in Content.__struct_fields__
        if isinstance(value := getattr(content, name), str)
    ]
    return found + [("capabilities", one) for one in content.capabilities]
