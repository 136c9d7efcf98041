"""The rules of connections: pure, without clock, database or randomness."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from tradewind.core.base_urls import BaseUrl, parse_base_url
from tradewind.core.errors import InvalidInput

NAME_MAX = 80
OPTIONS_MAX = 16
OPTION_MAX = 200
CREDENTIAL_MAX = 8_192
HINT_LENGTH = 4
_HINT_FROM = 16
"""A shorter credential keeps all of its characters: four of them would be too many."""

_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_PLACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_NOT_PUBLIC = re.compile(r"[^a-z0-9]+")
_VARIABLE = re.compile(r"\{(\w+)\}")
_SCALARS = (str, int, bool)


def clean_name(text: str) -> str:
    """Return a name without outer spaces. Raises InvalidInput."""
    name = text.strip()
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
        raise InvalidInput(
            f"the name of the connection is not 1 to {NAME_MAX} printable characters",
            hint="choose another name",
        )
    return name


def public_name(name: str) -> str:
    """Return what callers see of a connection to a host that is not known: no address."""
    return _NOT_PUBLIC.sub("-", name.lower()).strip("-") or "custom"


def clean_base_url(text: str, *, is_private_network: bool) -> BaseUrl:
    """Return the address of a host. Raises InvalidInput, which never repeats the text."""
    try:
        url = parse_base_url(text)
    except ValueError as error:
        raise InvalidInput(f"the base URL {error}", hint="write https://host/path") from error
    if url.scheme != "https" and not is_private_network:
        raise InvalidInput(
            "the base URL is not encrypted",
            hint="write https://, or say that the host is in a private network",
        )
    return url


def fill_in(template: str, options: Mapping[str, str]) -> str:
    """Return a known host's base URL with its `{name}`s taken from the options.

    Raises InvalidInput and names what is missing.
    """
    missing = [name for name in _VARIABLE.findall(template) if not options.get(name)]
    if missing:
        raise InvalidInput(
            f"the address of this host differs by account: {template}",
            hint=f"give the options {', '.join(missing)}, or the whole base_url",
        )
    return _VARIABLE.sub(lambda found: options[found[1]], template)


def clean_options(options: Mapping[str, str]) -> dict[str, str]:
    """Return what the provider is told beyond the address. Raises InvalidInput.

    Options are shown and logged; what is secret belongs into the credential.
    """
    if len(options) > OPTIONS_MAX:
        raise InvalidInput(f"there are more than {OPTIONS_MAX} options")
    for name, value in options.items():
        if not _OPTION.fullmatch(name):
            raise InvalidInput("the name of an option is not letters, digits and _")
        if not 1 <= len(value) <= OPTION_MAX or not value.isascii() or not value.isprintable():
            raise InvalidInput(
                f"the option {name} is not 1 to {OPTION_MAX} printable ASCII characters"
            )
    return dict(options)


def clean_place(text: str, what: str) -> str:
    """Return a region or a zone, or nothing. Raises InvalidInput."""
    if text and not _PLACE.fullmatch(text):
        raise InvalidInput(
            f"the {what} is not lower-case letters, digits and hyphens",
            hint="write it like eu-west-1",
        )
    return text


def clean_credential(text: str) -> str:
    """Return a credential as it is sealed: one line. Raises InvalidInput, never repeating it.

    It is put into a header, so nothing that could end one gets through. JSON, for hosts that want
    several parts, is brought into one line and is an object of plain values.
    """
    credential = text.strip()
    if credential.startswith("{"):
        credential = _compact(credential)
    if not 1 <= len(credential) <= CREDENTIAL_MAX:
        raise InvalidInput(f"the credential is not 1 to {CREDENTIAL_MAX} characters")
    if not credential.isascii() or not credential.isprintable():
        raise InvalidInput(
            "the credential has characters that no key has", hint="copy it again, as one line"
        )
    return credential


def hint_of(credential: str) -> str:
    """Return what is shown of a credential: its end, if enough of it stays unknown."""
    if len(credential) < _HINT_FROM or credential.startswith("{"):
        return ""
    return credential[-HINT_LENGTH:]


def _compact(text: str) -> str:
    if len(text) > CREDENTIAL_MAX:
        raise InvalidInput(f"the credential is longer than {CREDENTIAL_MAX} characters")
    try:
        parts: Any = json.loads(text)
    except (ValueError, RecursionError):
        # `from None`: the decoder's error holds the text.
        raise InvalidInput("the credential begins like JSON and is none") from None
    values = cast("dict[str, object]", parts).values()
    if not parts or not all(isinstance(value, _SCALARS) for value in values):
        raise InvalidInput("the credential is no JSON object of plain values")
    return json.dumps(parts, separators=(",", ":"))
