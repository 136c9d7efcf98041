"""The house format of amounts, counts and times. Pure; nothing here is ever a float."""

import hashlib
from datetime import UTC, date, datetime, timedelta

from tradewind.core.money import NANOS_PER_UNIT, format_nanos

NO_BREAK_SPACE = "\u00a0"
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
_CENT_NANOS = NANOS_PER_UNIT // 100
_SCALES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def price(nanos: int, currency: str) -> str:
    """Return a price exactly, with at least two decimals: `$0.02`, `$0.0375`, `Free`."""
    if nanos == 0:
        return "Free"
    return _with_currency(_at_least_two_decimals(format_nanos(nanos)), currency)


def spend(nanos: int, currency: str) -> str:
    """Return an amount as people read it: cents from one unit on, finer below.

    A page shows the exact amount beside it or on hover, see `exact_spend`.
    """
    if abs(nanos) >= NANOS_PER_UNIT or nanos == 0:
        return _with_currency(_grouped(format_nanos(nanos, digits=2)), currency)
    if abs(nanos) >= _CENT_NANOS:
        return _with_currency(format_nanos(nanos, digits=4), currency)
    return exact_spend(nanos, currency)


def exact_spend(nanos: int, currency: str) -> str:
    """Return an amount to the last nano, without trailing zeros past the cents."""
    return _with_currency(_at_least_two_decimals(_grouped(format_nanos(nanos))), currency)


def count(number: int) -> str:
    """Return a whole number with thousands separated: `418,920`."""
    return f"{number:,}"


def compact(number: int) -> str:
    """Return a whole number rounded to three digits and a scale: `1.92B`, `135M`, `812`."""
    if number < 1000:
        return str(number)
    # Round to three digits first, so that 999,999 becomes 1M and not 1000K.
    step = 10 ** (len(str(number)) - 3)
    number = (number + step // 2) // step * step
    scale, suffix = next(entry for entry in _SCALES if number >= entry[0])
    whole, rest = divmod(number, scale)
    fraction = f"{rest * 100 // scale:02d}".rstrip("0")
    return f"{whole}.{fraction}{suffix}" if fraction else f"{whole}{suffix}"


def length(tokens: int) -> str:
    """Return a context length as model cards write it: `8K` for 8,192, `128K` for 128,000,
    `1M` for a million of either kind.
    """
    for million in (1_000_000, 1024 * 1024):
        if tokens >= million and tokens % million == 0:
            return f"{tokens // million:,}M"
    for thousand in (1000, 1024):
        if tokens >= thousand and tokens % thousand == 0:
            return f"{tokens // thousand:,}K"
    return count(tokens)


def size(octets: int) -> str:
    """Return a number of bytes in thousands, as file managers do: `812 B`, `4.9 GB`."""
    for scale, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "KB")):
        if octets >= scale:
            tenths = (octets * 10 + scale // 2) // scale
            whole = f"{tenths // 10:,}"
            return (
                f"{whole}.{tenths % 10}{NO_BREAK_SPACE}{unit}" if tenths % 10 else f"{whole} {unit}"
            )
    return f"{octets}{NO_BREAK_SPACE}B"


def milliseconds(microseconds: int) -> str:
    """Return a duration in whole milliseconds, or in seconds with one decimal from 10 s on."""
    if microseconds >= 10_000_000:
        return f"{microseconds // 1_000_000}.{microseconds // 100_000 % 10}{NO_BREAK_SPACE}s"
    return f"{(microseconds + 500) // 1000:,}{NO_BREAK_SPACE}ms"


def fine_duration(microseconds: int) -> str:
    """Return a duration as `milliseconds` does, with two decimals below 10 ms: `0.21 ms`."""
    if microseconds >= 10_000:
        return milliseconds(microseconds)
    return f"{microseconds // 1000}.{microseconds % 1000 // 10:02d}{NO_BREAK_SPACE}ms"


def percent(part: int, whole: int) -> str:
    """Return `part` of `whole` in percent with two decimals, or `n/a` when there is no whole."""
    if whole == 0:
        return "n/a"
    hundredths = (part * 10_000 + whole // 2) // whole
    return f"{hundredths // 100}.{hundredths % 100:02d}%"


def day(moment: date) -> str:
    """Return `14 Jul 2026`. A datetime must be aware; its UTC day is meant."""
    if isinstance(moment, datetime):
        moment = moment.astimezone(UTC)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def exact_time(moment: datetime) -> str:
    """Return `2026-07-14 09:30:12 UTC`, shown on hover and focus."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def short_time(moment: datetime) -> str:
    """Return `14 Jul 09:30`, for the axis and the rows of a chart's table."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment:%H:%M}"


def second(moment: datetime) -> str:
    """Return `14 Jul 09:30:12`, for records of which there are many in a minute."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment:%H:%M:%S}"


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago `moment` was, in words; the day itself from a week on."""
    passed = now - moment
    if passed < timedelta(minutes=1):
        return "just now"
    if passed < timedelta(hours=1):
        return _plural(passed // timedelta(minutes=1), "minute") + " ago"
    if passed < timedelta(days=1):
        return _plural(passed // timedelta(hours=1), "hour") + " ago"
    if passed < timedelta(days=7):
        return _plural(passed // timedelta(days=1), "day") + " ago"
    return day(moment)


def sentence(text: str) -> str:
    """Return a message of an error as a sentence of its own."""
    text = text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def words(name: str) -> str:
    """Return a name of ours as people read it: `Cached input tokens` for `cached_input_tokens`."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def initials(name: str) -> str:
    """Return the one or two letters that stand for a publisher."""
    words = [word for word in name.split() if word[0].isalnum()]
    if len(words) >= 2:
        return (words[0][0] + words[1][0]).upper()
    return name[:2].capitalize()


def hue(text: str) -> int:
    """Return one of the twelve hues of tiles, from 0 to 11, always the same for one text."""
    return hashlib.sha256(text.encode()).digest()[0] % 12


def currency_symbol(currency: str) -> str:
    """Return `$` for USD; empty for a currency that is written by its code."""
    return _SYMBOLS.get(currency, "")


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _with_currency(amount: str, currency: str) -> str:
    symbol = _SYMBOLS.get(currency)
    if symbol is None:
        return f"{amount}{NO_BREAK_SPACE}{currency}"
    return f"-{symbol}{amount[1:]}" if amount.startswith("-") else symbol + amount


def _grouped(amount: str) -> str:
    whole, dot, fraction = amount.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{dot}{fraction}"


def _at_least_two_decimals(amount: str) -> str:
    whole, _, fraction = amount.partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}"
