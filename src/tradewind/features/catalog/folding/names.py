"""What an id at a host says: the publisher, the name, and under which terms. Pure.

Hosts write the same model in many ways: `anthropic.claude-sonnet-4-20250514-v1:0`,
`claude-sonnet-4@20250514`, `anthropic/claude-sonnet-4`, `Claude-Sonnet-4:thinking`. `read_id` takes
such an id apart; `key_of` tells which names are the same but for their writing.
"""

import re
from dataclasses import dataclass, field, replace

from tradewind.features.catalog.folding.publishers import (
    KnownPublishers,
    Publisher,
    known_publishers,
)

SLUG_MAX = 100
PUBLISHER_MAX = 64

ROUTER = "it picks a model for each call"
POINTER = "it stands for whichever model of its family is the newest"
NO_MAKER = "nothing says who made it"
CHANGED = "its name says that a known model was changed, and nothing says by whom"
UNCLEAR = "its name can be read in more than one way"
NO_NAME = "there is no name in its id"

# Terms behind a colon, as OpenRouter, Hugging Face, Ollama and others write them.
_TERMS = frozenset(
    {
        *("free", "thinking", "reasoning", "reasoner", "exacto", "nitro", "extended", "floor"),
        *("online", "beta", "batch", "fast", "fastest", "cheapest", "cloud", "discounted", "flex"),
        *("priority", "memory", "deep", "none", "minimal", "low", "medium", "high", "xhigh", "max"),
    }
)
# Terms as the last word, whoever made the model: what is free or sealed off is the same model.
_LAST_WORDS = (
    *("free", "tee", "high-throughput", "discounted", "e2ee", "maas"),
    *("original", "nitro", "flex", "cs"),  # "cs": Cerebras, at Poe
)
_SILENT_WORDS = ("latest", "default")
_ROUTER_FAMILIES = frozenset({"auto", "model-router"})
_REGIONS = frozenset(
    {
        *("us", "eu", "apac", "global", "jp", "au", "ca", "us-gov", "sa", "me", "af", "in", "asia"),
        # A list of prices writes this where the price is the same in each.
        "regional",
    }
)
# Amazon writes "-v1:0" behind each name, and "v2:0" or "v0:2" where the maker has such a version.
_AMAZON_VERSION = re.compile(r"(?:-v?1:\d{1,2}|(?<=-v)(?P<own>[02-9]):(?P<part>\d{1,2})|:0)(?=:|$)")
_FULL_DATE = re.compile(r"-(20\d\d|2[3-9])-?(0[1-9]|1[0-2])-?([0-2]\d|3[01])$")
_LAST_REGION = re.compile(r"-(us|eu)$")
_QUANTIZATION = re.compile(
    r"[-.](fp8|fp4|bf16|fp16|awq|gptq|int4|int8|nvfp4|mxfp4|w8a8|w4a16|4bit|8bit|gguf|mlx"
    r"|q[2-8](?:-[01k](?:-[msl])?)?|iq[1-4]-(?:xxs|xs|s|m|nl))"
    r"(?:-(?:dynamic|block|mixed|ar|autoround))*$"
)
_NOT_OF_NAMES = re.compile(r"[^a-z0-9._-]+")
_ENDS = "._-"
_POINT = re.compile(r"(?<=\d)[p_](?=\d)")
# "3-5" is 3.5 where neither is a size (8b), a day (05-20), or one of a row of numbers.
_DASHED_POINT = re.compile(r"(?<![\d.])(?<!\d-)([1-9]\d?)-(\d{1,2})(?![\d.a-z])(?!-\d{1,2}(?!\w))")
_DASHES = re.compile(r"-{2,}")
_SEPARATOR = re.compile(r"[-._]+")
_NOT_BETWEEN_DIGITS = re.compile(r"(?<!\d)\.|\.(?!\d)")
_LONGEST_PREFIX = 3  # words of a host's name in front of another's
_LONGEST_ID = 400  # no host has one of that length; more is not looked at
_MOST_ROUNDS = 12
_MOST_READINGS = 4


@dataclass(frozen=True, slots=True)
class ReadId:
    """What an id says. `publisher` is empty when nothing says it; then `reason` says why."""

    publisher: str
    slug: str
    """As the publisher writes it, as far as one id can tell."""
    region: str = ""
    version: str = ""
    """`20250514`: the day of a snapshot."""
    quantization: str = ""
    variant: str = ""
    """Other terms for the same weights, in alphabetical order: `free+thinking`."""
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.publisher}/{self.slug}"


def read_id(upstream_id: str, *, host: str = "", family: str = "", maker: str = "") -> ReadId:
    """Take an id apart.

    What tells the publisher, in this order: a namespace in the id, how the name begins, the host if
    it serves its own models, and `maker` (what a source has for that; hosts write all sorts of
    things there). A family tells nothing of it: lists write the family of the model that somebody
    started from.
    """
    known = known_publishers()
    read = _read(upstream_id, host, family, maker, known)
    # A name is canonical when it says itself and nothing besides; what is none after some rounds
    # ("us.eu.us.gpt-4o") is nothing that a host would write.
    for _ in range(_MOST_READINGS):
        if read.reason:
            return read
        again = _read(read.name, "", "", "", known)
        plain = ReadId(read.publisher, read.slug)
        if again == plain:
            return read
        read = ReadId(
            again.publisher,
            again.slug,
            read.region or again.region,
            read.version or again.version,
            read.quantization or again.quantization,
            "+".join(sorted({*read.variant.split("+"), *again.variant.split("+")} - {""})),
            again.reason,
        )
    return replace(read, publisher="", reason=UNCLEAR)


def _read(upstream_id: str, host: str, family: str, maker: str, known: KnownPublishers) -> ReadId:
    draft = _Draft()
    text = upstream_id[:_LONGEST_ID].strip().lower()
    draft.cut(text, host, known)
    is_router = family.lower() in _ROUTER_FAMILIES or draft.is_router(known)
    reason = ROUTER if is_router else draft.attribute(host, maker, known)
    is_latest = text.startswith("~") or draft.slug.endswith("-latest")
    for _ in range(_MOST_ROUNDS):
        before = draft.slug
        draft.trim(known)
        if draft.slug == before:
            break
    if not reason and not draft.slug:
        reason = NO_NAME
    if not reason and is_latest and draft.is_pointer(known):
        reason = POINTER
        draft.slug = f"{draft.slug[: SLUG_MAX - len('-latest')].rstrip(_ENDS)}-latest"
    return ReadId(
        publisher="" if reason else draft.publisher,
        slug=draft.slug,
        region=draft.region,
        version=draft.version,
        quantization=draft.quantization,
        variant="+".join(sorted(draft.variants)),
        reason=reason,
    )


def key_of(slug: str) -> str:
    """Return what is the same for all ways to write one name: `llama-3.3-70b`, `llama3.3_70B`.

    What stands between two digits stays a point: `gemma-3-1b` is not `gemma-31b`.
    """
    return _NOT_BETWEEN_DIGITS.sub("", _SEPARATOR.sub(".", slug.lower()))


def clean_slug(text: str, longest: int = SLUG_MAX) -> str:
    """Return what a name may have of a text: small letters, digits, and `.`, `_`, `-` inside."""
    text = text.lower().replace("+", "-plus")
    return _NOT_OF_NAMES.sub("-", text)[:longest].strip(_ENDS)


@dataclass(slots=True)
class _Draft:
    """An id on its way to a name."""

    slug: str = ""
    namespaces: list[str] = field(default_factory=list[str])
    """Outermost first."""
    publisher: str = ""
    region: str = ""
    version: str = ""
    quantization: str = ""
    variants: set[str] = field(default_factory=set[str])

    def cut(self, text: str, host: str, known: KnownPublishers) -> None:
        """Split an id into namespaces, name, and what stands around the name."""
        text = self._cut_tags(text.removeprefix("hf:"), host)
        parts = [part for raw in text.split("/") if (part := raw.strip("~@ "))]
        for part in parts[:-1]:
            if part in _REGIONS:
                self.region = part
            elif part == "tee":
                self.variants.add(part)
            else:
                self.namespaces.append(part)
        slug = parts[-1] if parts else ""
        slug, _, tag = slug.partition("@")
        if tag in _REGIONS:
            self.region = tag
        elif tag and tag not in _SILENT_WORDS:
            slug = f"{slug}-{tag}"
        region, point, rest = slug.partition(".")
        if point and region in _REGIONS and rest[:1].isalpha():
            self.region, slug = region, rest
        self.slug = self._cut_namespaces(slug, known)

    def _cut_tags(self, text: str, host: str) -> str:
        text = _AMAZON_VERSION.sub(_own_version, text)
        if text.startswith("ft:") or text.endswith(".ft-"):
            self.variants.add("ft")
            text = text.removeprefix("ft:").removesuffix(".ft-")
        while True:
            head, colon, tag = text.rpartition(":")
            if not colon or "/" in tag:
                return text
            if tag in _TERMS or (tag.isdigit() and not tag.startswith("0")):
                # A number is how long it may think, or how much it is sent.
                self.variants.add(tag)
            elif tag not in _SILENT_WORDS and host != "huggingface":
                # "gpt-oss:120b" of Ollama. Hugging Face writes where it sends the call.
                text = f"{head}-{tag}"
                continue
            text = head

    def _cut_namespaces(self, slug: str, known: KnownPublishers) -> str:
        """Cut what stands for a namespace inside a name: `nvidia.nemotron`, `amazon--nova`."""
        for _ in range(_MOST_ROUNDS):
            head, dashes, rest = slug.partition("--")
            if dashes and rest and head in known.namespaces:
                self.namespaces.append(head)
                slug = rest
                continue
            head, point, rest = slug.partition(".")
            if point and head in known.namespaces and rest[:1].isalpha():
                self.namespaces.append(head)
                # Amazon's "deepseek.v3" is only half a name.
                slug = rest if known.by_name(rest) else f"{head}-{rest}"
                if slug == rest:
                    continue
            break
        return slug

    def is_router(self, known: KnownPublishers) -> bool:
        slug = clean_slug(self.slug)
        last = f"{self.namespaces[-1]}/{slug}" if self.namespaces else slug
        return slug in known.routers or last in known.routers

    def is_pointer(self, known: KnownPublishers) -> bool:
        publisher = known.by_slug.get(self.publisher)
        if publisher is None or not publisher.is_numbered or self.slug in publisher.own:
            return False
        return not any(letter.isdigit() for letter in self.slug)

    def attribute(self, host: str, maker: str, known: KnownPublishers) -> str:
        """Find who made it. Returns why nobody can be told."""
        self.slug = _spelled(self.slug)
        shelf = community = ""
        for namespace in reversed(self.namespaces):
            found = known.namespaces.get(namespace)
            if found is None:
                # A shelf of its own inside a namespace: "fal-ai/flux/schnell".
                if namespace not in known.carriers and known.by_name(namespace):
                    if not self.slug.startswith(namespace):
                        self.slug = f"{namespace}-{self.slug}"
                elif namespace not in known.carriers:
                    community = community or clean_slug(namespace, PUBLISHER_MAX)
            elif not found.is_shelf:
                self.publisher = found.publisher
                return ""
            elif not community:
                shelf = shelf or found.publisher
        if shelf or not community:
            self._cut_prefix(known)
        by_name = known.by_name(self.slug)
        if community and not shelf:
            self.publisher = community
        elif by_name is not None:
            if not shelf and known.is_changed(self.slug):
                return CHANGED
            self.publisher = by_name
        else:
            hinted = known.namespaces.get(maker.lower())
            self.publisher = shelf or known.hosts.get(host) or (hinted.publisher if hinted else "")
        return "" if self.publisher else NO_MAKER

    def _cut_prefix(self, known: KnownPublishers) -> None:
        """Cut a host's own name in front of another's: `azure-gpt-4o`, `databricks-gpt-oss`."""
        heads = self.slug.split("-", _LONGEST_PREFIX)[:_LONGEST_PREFIX]
        for length in range(1, len(heads) + 1):
            prefix = "-".join(heads[:length])
            rest = self.slug[len(prefix) + 1 :]
            maker = known.by_name(_spelled(rest))
            if maker is None:
                continue
            found = known.namespaces.get(prefix)
            # "mistral-nemotron" is no Nemotron: a name that is known as a whole stays whole.
            is_maker = found is not None and known.by_name(self.slug) is None
            if is_maker or prefix in known.prefixes:
                self.slug = rest
                return

    def trim(self, known: KnownPublishers) -> None:
        """Take off the name what is not the name. Called until nothing changes."""
        slug = _spelled(self.slug)
        publisher = known.by_slug.get(self.publisher)
        own = publisher.own if publisher is not None else frozenset[str]()
        rewritten = _rewritten(slug, publisher)
        if slug in own or rewritten in own:
            self.slug = rewritten
            return
        if found := _QUANTIZATION.search(slug):
            self.quantization = self.quantization or found[1]
            slug = slug[: found.start()]
        if found := _FULL_DATE.search(slug):
            year, month, day = found.groups()
            self.version = self.version or f"20{year[-2:]}{month}{day}"
            slug = slug[: found.start()]
        if found := _LAST_REGION.search(slug):
            self.region = self.region or found[1]
            slug = slug[: found.start()]
        for word in _SILENT_WORDS:
            slug = slug.removesuffix(f"-{word}")
        slug = self._trim_words(slug, _LAST_WORDS)
        if publisher is not None and slug not in own:
            slug = _rewritten(self._trim_words(slug, publisher.modes), publisher)
            for namespace in publisher.namespaces:
                rest = slug.removeprefix(f"{namespace}-")
                if rest != slug and known.by_name(rest) == publisher.slug:
                    slug = rest
        self.slug = slug

    def _trim_words(self, slug: str, words: tuple[str, ...]) -> str:
        for word in words:
            rest = slug.removesuffix(f"-{word}")
            if rest != slug and rest:
                self.variants.add(word)
                return rest
        return slug


def _own_version(found: re.Match[str]) -> str:
    """Return what of Amazon's version is the maker's: `v0:2` is 0.2, `v2:0` is 2."""
    own, part = found["own"], found["part"]
    if own is None:
        return ""
    return own if part == "0" else f"{own}.{part}"


def _rewritten(slug: str, publisher: Publisher | None) -> str:
    for pattern, spelling in publisher.rewrites if publisher is not None else ():
        slug = pattern.sub(spelling, slug)
    return slug


def _spelled(slug: str) -> str:
    """Return a name in our letters, with points between the parts of a version."""
    slug = clean_slug(_POINT.sub(".", slug))
    slug = _DASHED_POINT.sub(r"\1.\2", slug.replace("_", "-"))
    return _DASHES.sub("-", slug)
