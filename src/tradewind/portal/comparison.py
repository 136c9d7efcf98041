"""Up to four models side by side: which rows differ, and whose value is the best of a row. Pure.

A row has a best value only where everybody would agree which way is better. What is not known is
never the best and never the worst.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tradewind.portal import formats
from tradewind.portal.model_facts import CAPABILITIES, OPERATIONS, lifecycle_label
from tradewind.readmodels.catalog_fit import TYPICAL_INPUT_TOKENS, TYPICAL_OUTPUT_TOKENS
from tradewind.readmodels.catalog_search.rows import Card
from tradewind.readmodels.offer_stats.reading import AverageChat, Measured

_Value = TypeVar("_Value")
NOT_TOLD = "Not told"
NOT_MEASURED = "Not measured"


@dataclass(frozen=True, slots=True)
class ChatSize:
    """Of the chat that costs are compared by, in tokens."""

    input_tokens: int = TYPICAL_INPUT_TOKENS
    output_tokens: int = TYPICAL_OUTPUT_TOKENS
    origin: str = "a typical chat"
    """Whose it is, in words."""

    def cost_nanos(self, input_nanos: int, output_nanos: int | None) -> int:
        """Return what a thousand of them cost at these prices of 1,000,000 tokens."""
        chat = AverageChat(1, self.input_tokens, 0, self.output_tokens)
        return chat.cost_nanos(input_nanos, output_nanos, None)


MOST_CHAT_TOKENS = 10_000_000
OWN_AVERAGE, AS_SAID = "your average of 30 days", "as you said"


def average_size(average: AverageChat | None) -> ChatSize:
    """Return the size of an organization's average chat; of a typical one where it has none."""
    if average is None:
        return ChatSize()
    return ChatSize(
        max(1, round(average.input_tokens / average.calls)),
        round(average.output_tokens / average.calls),
        OWN_AVERAGE,
    )


def chosen_size(average: ChatSize, input_text: str, output_text: str) -> tuple[ChatSize, str]:
    """Return the size that somebody typed, or the average and what of it could not be read."""
    if not (input_text or output_text):
        return average, ""
    given = [text.strip().replace(",", "") for text in (input_text, output_text)]
    if not all(text.isascii() and text.isdecimal() and len(text) <= 8 for text in given):
        return average, "the tokens of a chat are two whole numbers"
    size = ChatSize(int(given[0]), int(given[1]), AS_SAID)
    tokens = size.input_tokens + size.output_tokens
    if not 0 < tokens <= MOST_CHAT_TOKENS:
        return average, f"a chat has 1 to {MOST_CHAT_TOKENS:,} tokens"
    is_average = (size.input_tokens, size.output_tokens) == (
        average.input_tokens,
        average.output_tokens,
    )
    return (average if is_average else size), ""


@dataclass(frozen=True, slots=True)
class Compared:
    """What is known of one of the models."""

    card: Card
    measured: Measured | None
    """Of the host that answers it quickest, over 30 days."""
    chat: ChatSize = field(default_factory=ChatSize)

    @property
    def thousand_chats_nanos(self) -> int | None:
        price = self.card.model.price
        if price is None or self.card.model.operation != "chat":
            return None
        return self.chat.cost_nanos(price.input_nanos, price.output_nanos)


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    is_known: bool = True
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    note: str
    cells: tuple[Cell, ...]
    best_word: str
    """What makes a value the best: "lowest", "longest"; empty where none is."""
    differs: bool


def rows_of(models: Sequence[Compared]) -> tuple[list[Row], list[Row]]:
    """Return the rows that differ, then those that are the same for all."""
    rows = [row for row in _all_rows(models) if any(cell.is_known for cell in row.cells)]
    return [row for row in rows if row.differs], [row for row in rows if not row.differs]


def _all_rows(models: Sequence[Compared]) -> list[Row]:
    def said(label: str, of: Callable[[Compared], str], note: str = "") -> Row:
        return _row(label, note, [(of(one), None) for one in models], 0, "")

    def most(
        label: str,
        of: Callable[[Compared], int | None],
        shown: Callable[[int], str],
        word: str,
        note: str = "",
    ) -> Row:
        return _row(label, note, [_shown(of(one), shown) for one in models], 1, word)

    def least(
        label: str,
        of: Callable[[Compared], int | None],
        shown: Callable[[int], str],
        word: str = "lowest",
        note: str = "",
    ) -> Row:
        return _row(label, note, [_shown(of(one), shown) for one in models], -1, word)

    currency = models[0].card.currency if models else "USD"

    def price(nanos: int) -> str:
        return formats.price(nanos, currency)

    def spend(nanos: int) -> str:
        return formats.spend(nanos, currency)

    per_million = "of 1M tokens, at the cheapest known offer"
    chat = models[0].chat if models else ChatSize()
    sizes = f"{formats.count(chat.input_tokens)} tokens in, {formats.count(chat.output_tokens)} out"
    return [
        said("Callable now", lambda one: "yes" if one.card.is_callable else "no"),
        said("Publisher", lambda one: one.card.model.publisher_name),
        said(
            "Task",
            lambda one: OPERATIONS.get(one.card.model.operation, one.card.model.operation),
        ),
        least("Input price", _input_nanos, price, note=per_million),
        least("Output price", _output_nanos, price, note=per_million),
        least(
            "1,000 chats cost",
            lambda one: one.thousand_chats_nanos,
            spend,
            note=f"{sizes}, {chat.origin}; without cached input",
        ),
        most("Context", lambda one: one.card.model.context_tokens, _tokens, "longest"),
        most(
            "Longest answer",
            lambda one: one.card.model.max_output_tokens or None,
            _tokens,
            "longest",
        ),
        least(
            "First token, median",
            lambda one: None if one.measured is None else one.measured.first_token_us_p50,
            formats.milliseconds,
            "quickest",
            "measured here over 30 days, at the quickest host",
        ),
        most(
            "Tokens a second",
            lambda one: None if one.measured is None else one.measured.speed_p50,
            lambda speed: formats.count((speed + 500) // 1000),
            "fastest",
            "measured here over 30 days, at the same host",
        ),
        most("Offers", lambda one: one.card.model.offers, formats.count, "most"),
        *(
            said(
                label, lambda one, name=name: "yes" if name in one.card.model.capabilities else "no"
            )
            for name, label in CAPABILITIES.items()
        ),
        said("Takes", lambda one: ", ".join(one.card.model.input_modalities)),
        said("Gives", lambda one: ", ".join(one.card.model.output_modalities)),
        said("Weights", _weights),
        said("Licence", lambda one: one.card.model.licence.removeprefix("LicenseRef-")),
        said("Parameters", lambda one: _or_empty(one.card.model.parameters, formats.compact)),
        said("Released", lambda one: _or_empty(one.card.model.released_on, formats.day)),
        said("Lifecycle", lambda one: lifecycle_label(one.card.model.lifecycle)),
    ]


def _row(
    label: str, note: str, values: Sequence[tuple[str, int | None]], better: int, word: str
) -> Row:
    """`better` is 1 where more is, -1 where less is, 0 where neither."""
    known = [number * better for _, number in values if number is not None]
    # One that all share, or that only one has, distinguishes nobody.
    best = max(known) if better and len(known) > 1 and min(known) != max(known) else None
    unknown = NOT_MEASURED if note.startswith("measured") else NOT_TOLD
    cells = tuple(
        Cell(
            text or unknown,
            is_known=bool(text),
            is_best=best is not None and number is not None and number * better == best,
        )
        for text, number in values
    )
    differs = best is not None or len({cell.text for cell in cells}) > 1
    return Row(label, note, cells, word, differs)


def _shown(number: int | None, shown: Callable[[int], str]) -> tuple[str, int | None]:
    return ("", None) if number is None else (shown(number), number)


def _or_empty(value: _Value | None, shown: Callable[[_Value], str]) -> str:
    return "" if value is None else shown(value)


def _input_nanos(one: Compared) -> int | None:
    price = one.card.model.price
    return None if price is None else price.input_nanos


def _output_nanos(one: Compared) -> int | None:
    price = one.card.model.price
    return None if price is None else price.output_nanos


def _weights(one: Compared) -> str:
    match one.card.model.open_weights:
        case None:
            return ""
        case True:
            return "open"
        case False:
            return "closed"


def _tokens(tokens: int) -> str:
    # Exactly: 128,000 and 131,072 are both written 128K, and one of them is longer.
    return f"{formats.count(tokens)} tokens"
