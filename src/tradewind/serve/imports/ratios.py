"""The ratios by which one-api and new-api charge, as prices. Pure.

What one pays for a token is a ratio of the model, times one of its completions for output; a ratio
of 1 is 2 USD for a million tokens. Read are the options of the admin API
(`{"data": [{"key": "ModelRatio", "value": "{…}"}]}`), new-api's `/api/ratio_config`
(`{"data": {"model_ratio": {…}}}`) and a plain object of either.

Source: docs.newapi.pro, "Ratio Settings".
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple, cast

from tradewind.core.errors import InvalidInput
from tradewind.features.endpoints.schemas import ModelPrice
from tradewind.features.providers.schemas import HOST_CURRENCY
from tradewind.serve.imports.accounts import NotTaken
from tradewind.serve.imports.exact import Nanos, decimal_of, of_ratios
from tradewind.serve.imports.safe_json import parse_json

_NAMES = {
    "ModelRatio": "model_ratio",
    "CompletionRatio": "completion_ratio",
    "CacheRatio": "cache_ratio",
    "CreateCacheRatio": "create_cache_ratio",
    "ModelPrice": "model_price",
}


class RatioPrice(NamedTuple):
    price: ModelPrice
    is_exact: bool


class Ratios:
    def __init__(self, tables: Mapping[str, Mapping[str, object]]) -> None:
        self._tables = tables

    def price_of(self, model: str) -> RatioPrice | None:
        """Return what callers pay for a model, None when nothing is said of it.

        Raises NotTaken for what is said and is no price of tokens.
        """
        if self._ratio("model_price", model) is not None:
            raise NotTaken(
                "its ratio is a price for each call, and calls are charged by tokens",
                "set a price of the model",
            )
        ratio = self._ratio("model_ratio", model)
        if ratio is None:
            return None
        completion = self._ratio("completion_ratio", model)
        if completion is None:
            raise NotTaken(
                "CompletionRatio does not say what its output costs",
                "add it to the ratios: what is built into the other gateway is not exported",
            )
        cached = self._ratio("cache_ratio", model)
        written = self._ratio("create_cache_ratio", model)
        parts = [
            of_ratios(ratio),
            of_ratios(ratio, completion),
            of_ratios(ratio, Decimal(1) if cached is None else cached),
            of_ratios(ratio, Decimal(1) if written is None else written),
        ]
        nanos = [part for part in parts if part is not None]
        if len(nanos) < len(parts):
            raise NotTaken("its ratios make more than a price can be", "set a price of the model")
        return _price(nanos, has_write=written is not None)

    def _ratio(self, table: str, model: str) -> Decimal | None:
        value = self._tables.get(table, {}).get(model)
        number = decimal_of(value)
        if value is not None and number is None:
            raise NotTaken(f"its {table} is no number", "correct the ratios")
        return number


def read_ratios(text: str) -> Ratios:
    """Raises InvalidInput for what is no such file."""
    document = parse_json(text)
    if isinstance(document, dict):
        document = cast("dict[str, object]", document).get("data", cast("object", document))
    tables: dict[str, Mapping[str, object]] = {}
    for name, value in _named(document):
        known = _NAMES.get(name, name)
        if known not in _NAMES.values():
            continue
        table = parse_json(value) if isinstance(value, str) and value else value
        if isinstance(table, dict):
            tables[known] = cast("dict[str, object]", table)
    if "model_ratio" not in tables:
        raise InvalidInput(
            "the file of ratios has no ModelRatio", hint="export the options of the other gateway"
        )
    return Ratios(tables)


def _named(document: object) -> list[tuple[str, object]]:
    """Return tables by their names, however the file has them."""
    if isinstance(document, dict):
        return list(cast("dict[str, object]", document).items())
    found: list[tuple[str, object]] = []
    for one in cast("list[object]", document) if isinstance(document, list) else []:
        option = cast("dict[str, object]", one) if isinstance(one, dict) else {}
        name = option.get("key")
        if isinstance(name, str):
            found.append((name, option.get("value")))
    return found


def _price(nanos: list[Nanos], *, has_write: bool) -> RatioPrice:
    price = ModelPrice(
        HOST_CURRENCY,
        nanos[0].value,
        nanos[1].value,
        nanos[2].value,
        nanos[3].value if has_write else None,
    )
    return RatioPrice(price, all(one.is_exact for one in nanos))
