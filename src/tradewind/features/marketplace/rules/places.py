"""Addresses that publishers and operators type: of webhooks, landing pages and sinks."""

from tradewind.core.base_urls import BaseUrl, parse_base_url
from tradewind.core.errors import InvalidInput

URL_MAX = 2_000


def parse_place(what: str, text: str, *, is_private_network: bool) -> BaseUrl:
    """Return the parts of a URL without a query. Raises InvalidInput, which never repeats it."""
    try:
        url = parse_base_url(text.strip())
    except ValueError as error:
        raise InvalidInput(f"the {what} {error}", hint="write https://host/path") from error
    if url.scheme != "https" and not is_private_network:
        raise InvalidInput(
            f"the {what} is not encrypted",
            hint="write https://, or say that the host is in a private network",
        )
    return url
