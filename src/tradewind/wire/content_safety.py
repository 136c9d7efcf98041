"""The bodies of Azure AI Content Safety.

Format: learn.microsoft.com, "Azure AI Content Safety REST API", 2024-09-01, and the quickstarts of
prompt shields, groundedness, protected material (text, code) and custom categories; limits as in
its overview, "Input requirements".
"""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from tradewind.wire.decoding import UNREADABLE, check_text, refuse
from tradewind.wire.errors import ApiError

MOST_TEXT = 10_000
"""Characters (code points) of a text to analyze, and of a prompt."""
MOST_DOCUMENTS = 5
MOST_GROUNDED_TEXT = 7_500
MOST_SOURCES_TEXT = 55_000
MOST_CODE = 10_000
MOST_BLOCKLISTS = 100

Category = Literal["Hate", "SelfHarm", "Sexual", "Violence"]
OUR_CATEGORIES: dict[Category, str] = {
    "Hate": "hate",
    "SelfHarm": "self_harm",
    "Sexual": "sexual",
    "Violence": "violence",
}
"""Their name of a category to ours, in the order of their answers."""
Levels = Literal["FourSeverityLevels", "EightSeverityLevels"]
_Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z._~-]+$")]
_T = TypeVar("_T")


class AnalyzeRequest(msgspec.Struct, frozen=True, rename="camel"):
    text: str
    categories: list[Category] | None = None
    blocklist_names: Annotated[list[_Name], Meta(max_length=MOST_BLOCKLISTS)] | None = None
    halt_on_blocklist_hit: bool | None = None
    output_type: Levels | None = None

    @property
    def asked(self) -> list[Category]:
        """The categories that the answer has, in the order of their answers."""
        wanted = self.categories or OUR_CATEGORIES
        return [name for name in OUR_CATEGORIES if name in wanted]

    def level(self, severity: int) -> int:
        """Return a severity of ours, which are theirs: four levels are the even ones."""
        return severity if self.output_type == "EightSeverityLevels" else severity - severity % 2


class ShieldRequest(msgspec.Struct, frozen=True, rename="camel"):
    user_prompt: str | None = None
    documents: Annotated[list[str], Meta(max_length=MOST_DOCUMENTS)] | None = None


class Question(msgspec.Struct, frozen=True):
    query: str = ""


class GroundednessRequest(msgspec.Struct, frozen=True, rename="camel"):
    text: str
    grounding_sources: Annotated[list[str], Meta(min_length=1, max_length=100)]
    domain: Literal["Generic", "Medical"] | None = None
    task: Literal["QnA", "Summarization"] | None = None
    qna: Question | None = None
    reasoning: bool | None = None
    correction: bool | None = None


class ProtectedTextRequest(msgspec.Struct, frozen=True):
    text: str


class ProtectedCodeRequest(msgspec.Struct, frozen=True):
    code: str


class CustomCategoryRequest(msgspec.Struct, frozen=True, rename="camel"):
    text: str
    category_name: _Name
    version: Annotated[int, Meta(ge=1)] | None = None


def decode_analyze(body: bytes) -> AnalyzeRequest:
    """Raises ApiError 400 that names the member, as all below."""
    asked = _decoded(body, AnalyzeRequest)
    _limit(asked.text, MOST_TEXT, "text")
    return asked


def decode_shield(body: bytes) -> ShieldRequest:
    asked = _decoded(body, ShieldRequest)
    if not asked.user_prompt and not asked.documents:
        raise _invalid("userPrompt", "either a user prompt or documents are needed")
    _limit(asked.user_prompt or "", MOST_TEXT, "userPrompt")
    _limit("".join(asked.documents or ()), MOST_TEXT, "documents")
    return asked


def decode_groundedness(body: bytes) -> GroundednessRequest:
    asked = _decoded(body, GroundednessRequest)
    _limit(asked.text, MOST_GROUNDED_TEXT, "text")
    _limit("".join(asked.grounding_sources), MOST_SOURCES_TEXT, "groundingSources")
    if asked.reasoning or asked.correction:
        name = "reasoning" if asked.reasoning else "correction"
        raise _invalid(name, "it takes a language model, which this check does without")
    return asked


def decode_protected_text(body: bytes) -> str:
    """Return the text. Theirs has to have 110 characters, ours only says less of shorter ones."""
    asked = _decoded(body, ProtectedTextRequest)
    _limit(asked.text, MOST_TEXT, "text")
    return asked.text


def decode_protected_code(body: bytes) -> str:
    asked = _decoded(body, ProtectedCodeRequest)
    _limit(asked.code, MOST_CODE, "code")
    return asked.code


def decode_custom_category(body: bytes) -> CustomCategoryRequest:
    asked = _decoded(body, CustomCategoryRequest)
    _limit(asked.text, MOST_TEXT, "text")
    return asked


def analysis(
    asked: AnalyzeRequest, severities: dict[str, int], matches: list[dict[str, str]]
) -> dict[str, Any]:
    """`severities` by our names, from 0 to 7; those that are not there are 0."""
    is_halted = bool(asked.halt_on_blocklist_hit and matches)
    return {
        "blocklistsMatch": matches,
        "categoriesAnalysis": [
            {
                "category": name,
                "severity": asked.level(severities.get(OUR_CATEGORIES[name], 0)),
            }
            for name in ([] if is_halted else asked.asked)
        ],
    }


def blocklist_match(name: str, item_id: str, text: str) -> dict[str, str]:
    return {"blocklistName": name, "blocklistItemId": item_id, "blocklistItemText": text}


def shielded(asked: ShieldRequest, attacked: set[int]) -> dict[str, Any]:
    """`attacked` are the places of what is an attack: 0 is the prompt, documents follow."""
    told: dict[str, Any] = {}
    if asked.user_prompt is not None:
        told["userPromptAnalysis"] = {"attackDetected": 0 in attacked}
    told["documentsAnalysis"] = [
        {"attackDetected": place in attacked} for place in range(1, len(asked.documents or ()) + 1)
    ]
    return told


def grounded(text: str, spans: list[tuple[int, int]]) -> dict[str, Any]:
    """`spans` are what no source says, in characters, in order and apart from each other."""
    details = [
        {
            "text": text[start:end],
            "offset": _index(text[:start]),
            "length": _index(text[start:end]),
        }
        for start, end in spans
    ]
    covered = sum(end - start for start, end in spans)
    return {
        "ungroundedDetected": bool(spans),
        "ungroundedPercentage": round(covered / len(text), 4) if text else 0,
        "ungroundedDetails": details,
    }


def protected_text(*, is_detected: bool) -> dict[str, Any]:
    return {"protectedMaterialAnalysis": {"detected": is_detected}}


def protected_code(citations: dict[str, list[str]]) -> dict[str, Any]:
    """`citations` are addresses by licence."""
    return {
        "protectedMaterialAnalysis": {
            "detected": bool(citations),
            "codeCitations": [
                {"license": licence, "sourceUrls": urls} for licence, urls in citations.items()
            ],
        }
    }


def custom_category(*, is_detected: bool) -> dict[str, Any]:
    return {"customCategoryAnalysis": {"detected": is_detected}}


def _decoded(body: bytes, struct: type[_T]) -> _T:
    check_text(body)
    try:
        return msgspec.json.decode(body, type=struct)
    except UNREADABLE as error:
        raise refuse(error) from None


def _index(text: str) -> dict[str, int]:
    """Return a length in each of the ways in which languages count."""
    return {
        "utf8": len(text.encode("utf-8", "surrogatepass")),
        "utf16": len(text.encode("utf-16-le", "surrogatepass")) // 2,
        "codePoint": len(text),
    }


def _limit(text: str, most: int, name: str) -> None:
    if len(text) > most:
        raise _invalid(name, f"it has {len(text)} characters, and at most {most} are looked at")


def _invalid(name: str, why: str) -> ApiError:
    return ApiError(400, f"Invalid {name!r}: {why}.", param=name, code="invalid_value")
