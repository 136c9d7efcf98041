"""The Content Safety API: `/contentsafety/…` as clients of Azure AI Content Safety call it.

The gateway's own checks do the work; what each was by is told beside the documented members, in
`tradewind_safety`. A check that could not tell is an error here and never "nothing found". The
lists that are kept of terms are the control plane's (`content_safety_blocklists`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from tradewind.gateway.content_safety_call import SafetyCall
from tradewind.gateway.content_safety_data import find_references
from tradewind.gateway.dialects.surfaces import CONTENT_SAFETY
from tradewind.gateway.guard.judging import Judged, Judgement
from tradewind.gateway.guard.policies import Guard, guard_of
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.refusals import refuse
from tradewind.gateway.state import GatewayState
from tradewind.plugins.checks.base import Content
from tradewind.snapshot.contents import Grant, Operation
from tradewind.snapshot.safety import CheckUse, DataReference, Direction, Policy
from tradewind.wire import content_safety
from tradewind.wire.chat import encode
from tradewind.wire.errors import ApiError
from tradewind.wire.safety_references import Kind

LIKELY = 4
"""Severity from which on an answer of yes or no is yes."""
_DEADLINE_MS = 5_000
"""Nobody's stream waits for these, so a busy gateway may take its time."""
_MOST_SOURCES = 100

Answer = Callable[[GatewayState, Exchange, Grant, str], None]


def analyze(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:  # noqa: ARG001
    """`text:analyze`: four harms, and lists of terms. Raises ApiError for what is refused at once,
    as all below.
    """
    asked = content_safety.decode_analyze(exchange.request.body)

    def write(judgement: Judgement) -> bytes:
        severities: dict[str, int] = {}
        matches: dict[tuple[str, str], dict[str, str]] = {}
        for judged in judgement.findings:
            found = judged.finding
            if found.category == "blocklist":
                list_name, _, item = found.source.partition("/")
                matched = asked.text[found.start : found.end]
                matches.setdefault(
                    (list_name, item), content_safety.blocklist_match(list_name, item, matched)
                )
            else:
                severities[found.category] = max(severities.get(found.category, 0), found.severity)
        told = content_safety.analysis(asked, severities, list(matches.values()))
        return _body(told, judgement)

    harms = _use("harms", Direction.PROMPT)
    contents = (Content(asked.text, Direction.PROMPT),)

    def found(references: Sequence[DataReference]) -> None:
        lists = _use("blocklist", Direction.PROMPT, references)
        uses = (harms, lists) if references else (harms,)
        _Asked(state, exchange, grant).examine(uses, contents, write)

    if asked.blocklist_names:
        _Asked(state, exchange, grant).with_data(Kind.BLOCKLIST, asked.blocklist_names, found)
    else:
        found(())


def shield_prompt(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:  # noqa: ARG001
    """`text:shieldPrompt`: attacks in what a user wrote, and in what documents say."""
    asked = content_safety.decode_shield(exchange.request.body)
    contents = [Content(asked.user_prompt or "", Direction.PROMPT)]
    contents += [Content(text, Direction.DOCUMENT) for text in asked.documents or ()]

    def write(judgement: Judgement) -> bytes:
        attacked = {judged.content for judged in _likely(judgement)}
        return _body(content_safety.shielded(asked, attacked), judgement)

    use = _use("prompt_shield", Direction.PROMPT, also=Direction.DOCUMENT)
    _Asked(state, exchange, grant).examine((use,), contents, write)


def detect_groundedness(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:  # noqa: ARG001
    """`text:detectGroundedness`: what an answer says that its sources do not."""
    asked = content_safety.decode_groundedness(exchange.request.body)
    # What a question says, its answer may say again.
    query = (asked.qna.query,) if asked.qna is not None and asked.qna.query else ()
    sources = (*asked.grounding_sources, *query)

    def write(judgement: Judgement) -> bytes:
        spans = _apart(
            (judged.finding.start, judged.finding.end or len(asked.text))
            for judged in _likely(judgement)
        )
        return _body(content_safety.grounded(asked.text, spans), judgement)

    use = _use("groundedness", Direction.COMPLETION)
    contents = (Content(asked.text, Direction.COMPLETION, sources=sources),)
    _Asked(state, exchange, grant).examine((use,), contents, write)


def detect_protected_text(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:  # noqa: ARG001
    """`text:detectProtectedMaterial`, by the texts that the organization has loaded."""
    text = content_safety.decode_protected_text(exchange.request.body)

    def write(judgement: Judgement) -> bytes:
        hits = [hit for hit in _likely(judgement) if hit.finding.category.endswith("_text")]
        return _body(content_safety.protected_text(is_detected=bool(hits)), judgement)

    _protected(_Asked(state, exchange, grant), text, write)


def detect_protected_code(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:  # noqa: ARG001
    """`text:detectProtectedMaterialForCode`, with licences and addresses."""
    code = content_safety.decode_protected_code(exchange.request.body)

    def write(judgement: Judgement) -> bytes:
        citations: dict[str, list[str]] = {}
        for judged in _likely(judgement):
            if not judged.finding.category.endswith("_code"):
                continue
            licence, url = _citation(judged.finding.source)
            urls = citations.setdefault(licence or "NOASSERTION", [])
            if url and url not in urls and len(urls) < _MOST_SOURCES:
                urls.append(url)
        return _body(content_safety.protected_code(citations), judgement)

    _protected(_Asked(state, exchange, grant), code, write)


def analyze_custom_category(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    name: str,  # noqa: ARG001
) -> None:
    """`text:analyzeCustomCategory`, by what the organization has taught it."""
    asked = content_safety.decode_custom_category(exchange.request.body)

    def write(judgement: Judgement) -> bytes:
        is_detected = any(_likely(judgement))
        return _body(content_safety.custom_category(is_detected=is_detected), judgement)

    def found(references: Sequence[DataReference]) -> None:
        if not references:
            raise ApiError(
                409,
                f"The custom category {asked.category_name!r} is not trained yet.",
                code="safety_data_not_ready",
            )
        use = _use("custom_category", Direction.PROMPT, references)
        contents = (Content(asked.text, Direction.PROMPT),)
        _Asked(state, exchange, grant).examine((use,), contents, write)

    _Asked(state, exchange, grant).with_data(Kind.CUSTOM_CATEGORY, [asked.category_name], found)


def analyze_image(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:  # noqa: ARG001
    """`image:analyze`: nothing here looks at pictures, and that is said. Raises ApiError 501."""
    raise ApiError(
        501,
        "No check of this installation looks at pictures. Nothing was examined, so nothing is said"
        " of this one.",
        type="server_error",
        code="images_not_examined",
    )


def guard_for(state: GatewayState, uses: Iterable[CheckUse]) -> Guard:
    """Return what runs these checks, with no rules: nothing follows from what they find."""
    policy = Policy("", 0, "", (), tuple(uses))
    guard = guard_of([policy.id], {policy.id: policy}, state.examiner.checks)
    assert guard is not None
    return guard


def evidence(findings: Iterable[Judged]) -> list[dict[str, Any]]:
    """Return what was found by which check, in our own words."""
    return [
        {
            "content": judged.content,
            "check": judged.check,
            "version": judged.version,
            "category": judged.finding.category,
            "severity": judged.finding.severity,
            "score": round(judged.finding.score, 4),
            **_span_of(judged),
        }
        for judged in findings
    ]


def _span_of(judged: Judged) -> dict[str, Any]:
    found = judged.finding
    told: dict[str, Any] = {}
    if found.end:
        told["span"] = [found.start, found.end]
    if found.source:
        told["source"] = found.source
    return told


class _Asked(NamedTuple):
    """One request of the API."""

    state: GatewayState
    exchange: Exchange
    grant: Grant

    def examine(
        self,
        uses: Sequence[CheckUse],
        contents: Sequence[Content],
        write: Callable[[Judgement], bytes],
    ) -> None:
        SafetyCall(
            self.state,
            self.exchange,
            self.grant,
            CONTENT_SAFETY,
            guard=guard_for(self.state, uses),
            contents=contents,
            write=write,
        ).start()

    def with_data(
        self, kind: Kind, names: Sequence[str], found: Callable[[Sequence[DataReference]], None]
    ) -> None:
        """Call back with what the organization calls so; refuse where it is not there."""

        def answered(references: tuple[DataReference, ...] | ApiError) -> None:
            if self.exchange.client_gone:
                return
            try:
                if isinstance(references, ApiError):
                    raise references
                found([each for each in references if each.size])
            except ApiError as error:
                self._refuse(error)

        backstage = self.state.backstage
        find_references(backstage, self.grant.organization_id, kind, names, answered)

    def _refuse(self, error: ApiError) -> None:
        refuse(
            self.state,
            self.exchange,
            CONTENT_SAFETY,
            error,
            self.grant,
            operation=Operation.MODERATIONS,
        )


def _protected(asked: _Asked, text: str, write: Callable[[Judgement], bytes]) -> None:
    def found(references: Sequence[DataReference]) -> None:
        if not references:
            raise ApiError(
                404,
                "This organization has loaded no texts to compare with, so nothing can be said."
                " They are loaded on the Safety pages.",
                code="safety_data_not_found",
            )
        use = _use("protected_material", Direction.COMPLETION, references)
        asked.examine((use,), (Content(text, Direction.COMPLETION),), write)

    asked.with_data(Kind.CORPUS, (), found)


def _use(
    check: str,
    direction: Direction,
    data: Sequence[DataReference] = (),
    *,
    also: Direction | None = None,
) -> CheckUse:
    directions = {direction} if also is None else {direction, also}
    return CheckUse(check, frozenset(directions), deadline_ms=_DEADLINE_MS, data=tuple(data))


def _citation(source: str) -> tuple[str, str]:
    """Return the licence and the address that a finding of protected material names."""
    words = source.split(" ")
    at = next((place for place, word in enumerate(words) if "://" in word), len(words))
    return " ".join(words[:at]), "".join(words[at : at + 1])


def _likely(judgement: Judgement) -> Iterable[Judged]:
    return (judged for judged in judgement.findings if judged.finding.severity >= LIKELY)


def _apart(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, those that touch as one."""
    apart: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if apart and start <= apart[-1][1]:
            apart[-1] = (apart[-1][0], max(apart[-1][1], end))
        else:
            apart.append((start, end))
    return apart


def _body(told: dict[str, Any], judgement: Judgement) -> bytes:
    return encode({**told, "tradewind_safety": evidence(judgement.findings)})


ROUTES: dict[bytes, Answer] = {
    b"text:analyze": analyze,
    b"text:shieldPrompt": shield_prompt,
    b"text:detectGroundedness": detect_groundedness,
    b"text:detectProtectedMaterial": detect_protected_text,
    b"text:detectProtectedMaterialForCode": detect_protected_code,
    b"text:analyzeCustomCategory": analyze_custom_category,
    b"image:analyze": analyze_image,
}
"""By the path behind `/contentsafety/`."""
