"""Reads YAML of strangers: plain values only, and bounds on all that can grow.

Values are built from the parser's events, without recursion and without the library's constructors,
because three of those make too much of a file: a number with a point becomes a float (a price must
stay as it was written), a date becomes a date (a version of an API is text), and an alias is as
cheap to write as it is dear to walk ("billion laughs"). An alias counts here as all that it stands
for.
"""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import cast

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

from tradewind.core.errors import InvalidInput

CHARACTERS_MAX = 1024 * 1024
DEPTH_MAX = 32
VALUES_MAX = 100_000
"""Values of a document, aliases counted with all that they stand for."""

_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"
_DIGITS = re.compile(r"[-+]?[0-9]{1,20}")
_DECIMAL = re.compile(r"[-+]?[0-9]{1,20}\.[0-9]{0,40}(?:[eE][-+]?[0-9]{1,3})?")
_TRUE = frozenset({"yes", "true", "on"})
_PLAIN = frozenset(f"{_TAG}{name}" for name in ("str", "int", "float", "bool", "null"))
_AS_TEXT = frozenset(f"{_TAG}{name}" for name in ("timestamp", "value", "merge"))
_COLLECTIONS = frozenset({None, "!", f"{_TAG}map", f"{_TAG}seq"})


def parse_yaml(text: str) -> object:
    """Return the one document of a text: mappings by text, lists, text, int, Decimal, bool, None.

    Raises InvalidInput, which says where and never what: what cannot be read may be a key.
    """
    if len(text) > CHARACTERS_MAX:
        raise InvalidInput(f"the file is longer than {CHARACTERS_MAX} characters")
    builder = _Builder()
    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "the file" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
        # `from None`: the parser's error quotes the line.
        raise InvalidInput(f"{place} is not YAML") from None
    return builder.document


@dataclass(slots=True)
class _Frame:
    """A collection that has begun."""

    anchor: str | None
    is_mapping: bool
    first: int
    """How many values there were before it."""
    items: list[object] = field(default_factory=list[object])
    members: dict[str, object] = field(default_factory=dict[str, object])
    merged: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    key: str | None = None
    height: int = 1
    """Collections inside each other, this one included, once it has ended."""


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: object
    values: int
    height: int


class _Builder:
    def __init__(self) -> None:
        self.document: object = None
        self._resolver = Resolver()
        self._frames: list[_Frame] = []
        self._anchored: dict[str, _Anchored] = {}
        self._values = 0
        self._documents = 0

    def take(self, event: Event) -> None:
        match event:
            case DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _refused(event, "a second document begins")
            case AliasEvent():
                anchored = self._anchored.get(cast("str", event.anchor))
                if anchored is None:
                    raise _refused(event, "an alias stands for nothing that was said before")
                self._count(event, anchored.values)
                self._put(event, anchored.value, anchored.height)
            case ScalarEvent():
                self._count(event, 1)
                is_key = self._awaits_key()
                value = event.value if is_key else self._scalar(event)
                if event.anchor is not None:
                    self._anchored[event.anchor] = _Anchored(value, 1, 0)
                self._put(event, value, 0)
            case SequenceStartEvent() | MappingStartEvent():
                if event.tag not in _COLLECTIONS:
                    raise _refused(event, "a tag says what is not plain data")
                if self._awaits_key():
                    raise _refused(event, "a key is not text")
                self._count(event, 1)
                is_mapping = isinstance(event, MappingStartEvent)
                self._frames.append(_Frame(event.anchor, is_mapping, self._values - 1))
                self._check_depth(event, 0)
            case CollectionEndEvent():
                self._end(event)
            case _:
                pass  # where the stream and its document begin and end

    def _end(self, event: Event) -> None:
        frame = self._frames.pop()
        value: object = frame.items
        if frame.is_mapping:
            members: dict[str, object] = {}
            for merged in frame.merged:
                for key, inherited in merged.items():
                    members.setdefault(key, inherited)
            value = members | frame.members
        if frame.anchor is not None:
            size = self._values - frame.first
            self._anchored[frame.anchor] = _Anchored(value, size, frame.height)
        self._put(event, value, frame.height)

    def _put(self, event: Event, value: object, height: int) -> None:
        """Put a value where it belongs: it is the document, a key, a member or an item."""
        self._check_depth(event, height)
        if not self._frames:
            self.document = value
            return
        frame = self._frames[-1]
        frame.height = max(frame.height, height + 1)
        if not frame.is_mapping:
            frame.items.append(value)
        elif frame.key is None:
            if not isinstance(value, str):
                raise _refused(event, "a key is not text")
            frame.key = value
        else:
            key, frame.key = frame.key, None
            if key == _MERGE:
                frame.merged += _mappings(event, value)
            else:
                frame.members[key] = value

    def _awaits_key(self) -> bool:
        return bool(self._frames) and self._frames[-1].is_mapping and self._frames[-1].key is None

    def _count(self, event: Event, values: int) -> None:
        self._values += values
        if self._values > VALUES_MAX:
            raise _refused(event, f"there are more than {VALUES_MAX} values")

    def _check_depth(self, event: Event, height: int) -> None:
        if len(self._frames) + height > DEPTH_MAX:
            raise _refused(event, f"values are nested deeper than {DEPTH_MAX}")

    def _scalar(self, event: ScalarEvent) -> object:
        text: str = event.value
        tag: str | None = event.tag
        if tag is None or tag == "!":
            tag = self._tag_of(text, event.implicit)
        if tag in _AS_TEXT:
            return text
        if tag not in _PLAIN:
            raise _refused(event, "a tag says what is not plain data")
        match tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() in _TRUE
            case "int" if _DIGITS.fullmatch(text):
                return int(text)
            case "float" if _DECIMAL.fullmatch(text):
                return Decimal(text)
            case _:
                return text  # numbers in forms that no configuration has: 0x1f, 1:30, .inf

    def _tag_of(self, text: str, implicit: tuple[bool, bool]) -> str:
        # The library leaves this method untyped.
        return cast("str", self._resolver.resolve(ScalarNode, text, implicit))  # pyright: ignore[reportUnknownMemberType]


def _mappings(event: Event, value: object) -> list[dict[str, object]]:
    several = cast("list[object]", value) if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) for one in several):
        raise _refused(event, "what is merged is no mapping")
    return cast("list[dict[str, object]]", several)


def _refused(event: Event, why: str) -> InvalidInput:
    mark = event.start_mark
    place = "the file" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
    return InvalidInput(f"{place}: {why}")
