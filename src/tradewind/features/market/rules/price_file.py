"""Reads a price file: YAML or JSON, each problem named with its line.

What is read is only looked at here; whether the models exist and whether the notice is kept, the
price book says. Prices are texts of decimals: a number of a file would have been a float in the
program that wrote it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tradewind.core.money import parse_nanos
from tradewind.features.market.errors import Problem
from tradewind.features.market.rules.prices import problems_of
from tradewind.features.market.schemas import PriceTerms

FORMAT = "tradewind-prices-1"
MOST_BYTES = 4 * 1024 * 1024
MOST_ENTRIES = 10_000
MOST_PROBLEMS = 100
_DEPTH_MAX = 8
_LONGEST_NAME = 200
_ENTRY = ("model", "currency", "effective_at", "seller", "free", "charged", "prices")
_TOP = ("format", "currency", "effective_at", "seller", "prices")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One price of a file."""

    line: int
    model: str
    """publisher/slug."""
    terms: PriceTerms
    effective_at: datetime | None
    """None is when the file is applied."""


class ReadFile(NamedTuple):
    entries: tuple[FileEntry, ...]
    problems: tuple[Problem, ...]
    """Nothing of a file with problems is applied."""


class _Refused(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(line, message)


def read_price_file(content: bytes) -> ReadFile:
    """Return what a file says. Never raises: what is wrong with it is among the problems."""
    try:
        entries, problems = _read(_document(content))
    except _Refused as refused:
        return ReadFile((), (refused.problem,))
    return ReadFile(tuple(entries), tuple(problems[:MOST_PROBLEMS]))


def _document(content: bytes) -> Node:
    if len(content) > MOST_BYTES:
        raise _Refused(1, f"the file is longer than {MOST_BYTES} bytes")
    try:
        # Between the tokens of JSON a tab is a blank, and inside of its texts there is none.
        text = content.decode()
        text = text.replace("\t", " ") if text.lstrip()[:1] in {"{", "["} else text
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Refused(line, "the file is not UTF-8") from None
    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_shape(text, loader)
        node = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _Refused(1 if mark is None else mark.line + 1, "this is not YAML") from None
    except ValueError:
        raise _Refused(1, "this is not YAML") from None
    if node is None:
        raise _Refused(1, "the file is empty")
    return node


def _check_shape(text: str, loader: type[yaml.SafeLoader]) -> None:
    """Refuse what is cheap to write and dear to read, before anything is built of it."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=loader):
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        match event:
            case AliasEvent():
                raise _Refused(line, "an alias stands for something: write it out")
            case DocumentStartEvent():
                documents += 1
                if documents > 1:
                    raise _Refused(line, "a second document begins")
            case MappingStartEvent() | SequenceStartEvent():
                depth += 1
                if depth > _DEPTH_MAX:
                    raise _Refused(line, f"values are nested deeper than {_DEPTH_MAX}")
            case MappingEndEvent() | SequenceEndEvent():
                depth -= 1
            case _:
                pass


class _Defaults(NamedTuple):
    currency: str
    effective_at: datetime | None
    seller: str


def _read(document: Node) -> tuple[list[FileEntry], list[Problem]]:
    problems: list[Problem] = []
    top = _mapping(document, "the file", problems, _TOP)
    said = _text(top, "format", problems)
    if said != FORMAT:
        line = _line(top.get("format", document))
        problems.append(Problem(line, f"`format` is not {FORMAT}"))
    defaults = _Defaults(
        _text(top, "currency", problems) or "",
        _time(top, "effective_at", problems),
        _text(top, "seller", problems) or "",
    )
    prices = top.get("prices")
    if not isinstance(prices, SequenceNode):
        problems.append(Problem(_line(prices or document), "`prices` is not a list"))
        return [], problems
    items = cast("list[Node]", prices.value)
    if not 1 <= len(items) <= MOST_ENTRIES:
        problems.append(Problem(_line(prices), f"a file has 1 to {MOST_ENTRIES:,} prices"))
        return [], problems
    entries: list[FileEntry] = []
    seen: dict[tuple[str, datetime | None], int] = {}
    for item in items:
        if len(problems) >= MOST_PROBLEMS:
            break
        before = len(problems)
        entry = _entry(item, defaults, problems)
        if entry is None or len(problems) > before:
            continue
        key = entry.model, entry.effective_at
        if key in seen:
            problems.append(
                Problem(entry.line, f"{entry.model} has this moment already on line {seen[key]}")
            )
            continue
        seen[key] = entry.line
        entries.append(entry)
    return entries, problems


def _entry(item: Node, defaults: _Defaults, problems: list[Problem]) -> FileEntry | None:
    before = len(problems)
    members = _mapping(item, "a price", problems, _ENTRY)
    if not members:
        return None
    line = _line(item)
    model = _text(members, "model", problems)
    if model is None or model.count("/") != 1 or len(model) > _LONGEST_NAME:
        problems.append(Problem(_line(members.get("model", item)), "`model` is not publisher/slug"))
        return None
    is_free = _flag(members, "free", problems, default=False)
    is_charged = _flag(members, "charged", problems, default=True)
    meters = _meters(members.get("prices"), problems)
    seller = _text(members, "seller", problems)
    terms = PriceTerms(
        _text(members, "currency", problems) or defaults.currency,
        {"input_tokens": 0, "output_tokens": 0} if is_free and not meters else meters,
        defaults.seller if seller is None else seller,
        is_charged,
        is_free,
    )
    if len(problems) == before:
        problems += [Problem(line, f"{model}: {message}") for message in problems_of(terms)]
    effective_at = _time(members, "effective_at", problems) or defaults.effective_at
    return FileEntry(line, model, terms, effective_at)


def _meters(node: Node | None, problems: list[Problem]) -> dict[str, int]:
    if node is None:
        return {}
    found: dict[str, int] = {}
    for meter, value in _mapping(node, "`prices`", problems, None).items():
        if not isinstance(value, ScalarNode):
            problems.append(Problem(_line(value), f"{meter[:64]}: the price is not a decimal text"))
            continue
        try:
            found[meter] = parse_nanos(str(cast("object", value.value)))
        except ValueError as error:
            problems.append(Problem(_line(value), f"{meter[:64]}: {error}"))
    return found


def _mapping(
    node: Node, what: str, problems: list[Problem], known: tuple[str, ...] | None
) -> Mapping[str, Node]:
    if not isinstance(node, MappingNode):
        problems.append(Problem(_line(node), f"{what} is not a mapping"))
        return {}
    found: dict[str, Node] = {}
    for key, value in _pairs(node):
        name = str(cast("object", key.value)) if isinstance(key, ScalarNode) else ""
        if known is not None and name not in known:
            problems.append(
                Problem(_line(key), f"{name[:64]!r} is unknown here; known are {', '.join(known)}")
            )
        elif name in found:
            problems.append(Problem(_line(key), f"{name[:64]!r} is there twice"))
        else:
            found[name] = value
    return found


def _pairs(node: MappingNode) -> Iterator[tuple[Node, Node]]:
    yield from cast("list[tuple[Node, Node]]", node.value)


def _text(members: Mapping[str, Node], name: str, problems: list[Problem]) -> str | None:
    node = members.get(name)
    if node is None:
        return None
    value = str(cast("object", node.value)) if isinstance(node, ScalarNode) else None
    if value is None or len(value) > _LONGEST_NAME:
        problems.append(Problem(_line(node), f"`{name}` is not a text"))
        return None
    return value


def _flag(
    members: Mapping[str, Node], name: str, problems: list[Problem], *, default: bool
) -> bool:
    value = _text(members, name, problems)
    if value is None:
        return default
    if value not in {"true", "false"}:
        problems.append(Problem(_line(members[name]), f"`{name}` is not true or false"))
    return value == "true"


def _time(members: Mapping[str, Node], name: str, problems: list[Problem]) -> datetime | None:
    value = _text(members, name, problems)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        line = _line(members[name])
        problems.append(Problem(line, f"`{name}` is not a time with a zone: 2030-01-31T00:00:00Z"))
        return None
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        problems.append(Problem(_line(members[name]), f"`{name}` is out of range"))
        return None


def _line(node: Any) -> int:
    mark = node.start_mark
    return 1 if mark is None else mark.line + 1
