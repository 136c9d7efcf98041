"""Prices with the unit they are for, by what is measured. Pure.

Prices are stored as nanos per 1,000,000 units; nobody pays for a million images, so each meter has
the unit that people compare by.
"""

from collections.abc import Mapping
from typing import NamedTuple

_MILLION = 1_000_000


class UnitPrice(NamedTuple):
    label: str
    """What is paid for: "Input", "Image"."""
    nanos: int
    unit: str
    """What the amount is for: "1M tokens", "image"."""


class _Unit(NamedTuple):
    label: str
    unit: str
    units: int
    """How many of what is measured one unit has."""


_METERS = {
    "requests": _Unit("Request", "1K requests", 1_000),
    "searches": _Unit("Search", "1K searches", 1_000),
    "web_searches": _Unit("Web search", "1K searches", 1_000),
    "images": _Unit("Image", "image", 1),
    "input_images": _Unit("Image read", "image", 1),
    "pages": _Unit("Page", "1K pages", 1_000),
    "characters": _Unit("Text", "1M characters", _MILLION),
    "seconds": _Unit("Audio", "minute", 60),
    "audio_seconds": _Unit("Audio", "minute", 60),
    "input_seconds": _Unit("Audio read", "minute", 60),
    "output_seconds": _Unit("Audio spoken", "minute", 60),
    "video_seconds": _Unit("Video", "second", 1),
}


def token_price(label: str, nanos: int) -> UnitPrice:
    return UnitPrice(label, nanos, "1M tokens")


def meter_prices(meters: Mapping[str, int]) -> list[UnitPrice]:
    """Return prices of what is not plain tokens, by the names of their meters."""
    return [_meter_price(name, nanos) for name, nanos in sorted(meters.items())]


def _meter_price(name: str, nanos: int) -> UnitPrice:
    known = _METERS.get(name)
    if known is not None:
        # Half up: the amount is for showing, what is charged comes from the stored price.
        amount = (nanos * known.units + _MILLION // 2) // _MILLION
        return UnitPrice(known.label, amount, known.unit)
    words = name.replace("_", " ")
    if words.endswith(" tokens"):
        return token_price(words.removesuffix(" tokens").capitalize(), nanos)
    return UnitPrice(words.capitalize(), nanos, f"1M {words}")
