"""Keeps tokens for connections whose credential is a service account: fetched when one is added,
renewed ahead of their end.

The gateway knows nothing of it: a new token comes to it as any change of a credential does. The
token endpoint is a URL that somebody typed, so it is called by the rule for those (see
`webhook_post`).
"""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from typing import Protocol

from tradewind.core.base_urls import parse_base_url
from tradewind.core.errors import InvalidInput, Unavailable
from tradewind.db.database import Database
from tradewind.features.providers.schemas import DueAccount
from tradewind.features.providers.service import TOKENS_AT_ONCE, Providers
from tradewind.features.providers.service_accounts import (
    FORM_TYPE,
    Token,
    token_in,
    token_request,
)
from tradewind.features.webhooks.schemas import EventUrl, Outcome

_EVERY_S = 2.0
_log = logging.getLogger(__name__)


class Fetch(Protocol):
    async def fetch(
        self, url: EventUrl, headers: Mapping[str, str], body: bytes, *, must_be_public: bool
    ) -> tuple[Outcome, bytes]: ...


class TokenRefused(Exception):
    """A token endpoint gave none. The message repeats nothing that it sent."""


def keep_tokens(
    database: Database, providers: Providers, fetch: Fetch, stop: threading.Event
) -> None:
    """Run until stopped. The database may go away and come back."""
    while not stop.wait(_EVERY_S):
        try:
            while renew_due(database, providers, fetch) == TOKENS_AT_ONCE and not stop.is_set():
                pass
        except Unavailable as error:
            _log.warning("tokens of providers are not renewed: %s", error)


def renew_due(database: Database, providers: Providers, fetch: Fetch) -> int:
    """Renew the tokens that are due, one round of them; return how many accounts there were."""
    with database.transaction() as tx:
        due = providers.due_accounts(tx)
    # No transaction is open while hosts are waited for.
    for each, token in asyncio.run(_fetch_all(fetch, due)) if due else ():
        with database.transaction() as tx:
            providers.put_token(tx, each, token)
    return len(due)


async def _fetch_all(fetch: Fetch, due: list[DueAccount]) -> list[tuple[DueAccount, Token]]:
    tokens = await asyncio.gather(*(_fetch_one(fetch, each) for each in due))
    return [(each, token) for each, token in zip(due, tokens, strict=True) if token is not None]


async def _fetch_one(fetch: Fetch, due: DueAccount) -> Token | None:
    try:
        return token_in(await _ask(fetch, due))
    except (TokenRefused, InvalidInput, ValueError) as error:
        _log.error("no token for the connection %s: %s", due.connection_id, error)
        return None


async def _ask(fetch: Fetch, due: DueAccount) -> bytes:
    """Raises TokenRefused, InvalidInput and ValueError."""
    url = parse_base_url(due.account.token_uri)
    place = EventUrl(url.scheme, url.host, url.port, url.path or "/")
    body = await asyncio.to_thread(token_request, due.account, int(time.time()))
    outcome, answer = await fetch.fetch(
        place,
        {"content-type": FORM_TYPE, "accept": "application/json"},
        body,
        must_be_public=not due.is_private_network,
    )
    if outcome.error is not None:
        raise TokenRefused(f"{url.host}: {outcome.error}")
    return answer
