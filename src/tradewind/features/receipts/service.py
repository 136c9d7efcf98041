"""Makes receipts of what is new in the books, signs chains, and takes stretches of them out."""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.features.metering.schemas import News
from tradewind.features.metering.service import take_news
from tradewind.features.receipts import repository
from tradewind.features.receipts.canonical import (
    END_TYPE,
    FORMAT,
    HEAD_TYPE,
    canonical,
    digest,
)
from tradewind.features.receipts.errors import NoReceipt
from tradewind.features.receipts.repository import Stretch
from tradewind.features.receipts.rules import SALT_BYTES, made, told_time
from tradewind.features.receipts.schemas import (
    CallFacts,
    Chain,
    PublicKey,
    ReceiptView,
    StoredHead,
    StoredReceipt,
)
from tradewind.features.receipts.signing import ReceiptSigner

MOST_NEWS = 16
"""Batches of events that one transaction makes receipts of; each has at most 15,000 of them."""
MOST_HEADS = 1000
MOST_BETWEEN = 1000
"""Receipts between one and its head that are told with it; beyond that, an export is what to ask
for."""
_CHAIN_ID_BYTES = 16

ReadCalls = Callable[[Connection, Sequence[datetime], Sequence[UUID]], list[CallFacts]]


class Made(NamedTuple):
    receipts: int
    has_more: bool


class Receipts:
    def __init__(self, clock: Clock, signer: ReceiptSigner, read_calls: ReadCalls) -> None:
        self._clock = clock
        self._signer = signer
        self._read_calls = read_calls

    def make(self, tx: Connection, most: int = MOST_NEWS) -> Made:
        """Make receipts of events that are new in the books, each exactly one: what is new is taken
        away in the same transaction.

        Only one transaction does at a time, so that receipts of an organization come in the order
        in which its events were told of; another one does nothing.
        """
        if not repository.try_maker_lock(tx):
            return Made(0, has_more=False)
        news = take_news(tx, most)
        if not news:
            return Made(0, has_more=False)
        whose = sorted({each.organization_id for each in news})
        chains = repository.lock_chains(
            tx, [(each, secrets.token_hex(_CHAIN_ID_BYTES)) for each in whose], self._clock.now()
        )
        receipts = 0
        for each in news:
            receipts += self._append(tx, chains, each)
        return Made(receipts, has_more=len(news) == most)

    def _append(self, tx: Connection, chains: dict[str, Chain], news: News) -> int:
        calls = self._read_calls(tx, news.at, news.event_ids)
        if not calls:
            return 0
        salts = os.urandom(2 * SALT_BYTES * len(calls))
        chain, receipts = made(chains[news.organization_id], calls, salts)
        repository.add_receipts(tx, chain, receipts)
        chains[news.organization_id] = chain
        return len(receipts)

    def sign(self, tx: Connection, most: int = MOST_HEADS) -> int:
        """Sign the chains that grew since their last head; return how many. About 100 us each."""
        chains = repository.lock_unsigned_chains(tx, most)
        if not chains:
            return 0
        now = self._clock.now()
        repository.keep_key(tx, PublicKey(self._signer.key_id, self._signer.public_key, now))
        repository.add_heads(
            tx, [(chain.organization_id, self._head(chain, now)) for chain in chains]
        )
        return len(chains)

    def _head(self, chain: Chain, now: datetime) -> StoredHead:
        head = canonical(
            {
                "at": told_time(now),
                "chain": chain.id,
                "hash": chain.hash,
                "sequence": chain.sequence,
            }
        )
        signature = self._signer.sign(HEAD_TYPE, head)
        return StoredHead(chain.sequence, head.decode(), self._signer.key_id, signature.hex())

    def public_keys(self, tx: Connection) -> list[PublicKey]:
        """Return every key that signed, and the one that will sign next."""
        kept = repository.find_keys(tx)
        if all(each.id != self._signer.key_id for each in kept):
            key = PublicKey(self._signer.key_id, self._signer.public_key, self._clock.now())
            kept.append(key)
        return kept

    def show(self, tx: Connection, organization_id: str, event_id: UUID) -> ReceiptView:
        """Return the receipt of a call of this organization, with what proves it.

        Raises NoReceipt.
        """
        receipt = repository.find_receipt(tx, organization_id, event_id)
        if receipt is None:
            raise NoReceipt("this call")
        chain = repository.find_chain(tx, organization_id)
        assert chain is not None
        head = repository.next_head(tx, organization_id, receipt.sequence)
        last = receipt.sequence if head is None else head.sequence
        between: list[StoredReceipt] = []
        if receipt.sequence < last <= receipt.sequence + MOST_BETWEEN:
            stretch = Stretch(receipt.sequence + 1, last)
            between = list(repository.receipts_of(tx, organization_id, stretch))
        previous = repository.find_hash(tx, organization_id, receipt.sequence - 1)
        return ReceiptView(chain.id, previous, receipt, head, between)

    def lines_of(self, view: ReceiptView) -> Iterator[bytes]:
        """Yield the lines of an export of one receipt alone: what follows it, up to its head, is
        told by digests.
        """
        yield _line(_chain_line(view.chain, view.receipt.sequence - 1, view.previous_hash))
        yield _line(_receipt_line(view.receipt, shows_sale=True, shows_buyer=True))
        for each in view.between:
            yield _line(_receipt_line(each, shows_sale=False, shows_buyer=False))
        last = view.between[-1] if view.between else view.receipt
        if view.head is not None and view.head.sequence == last.sequence:
            yield _line(_head_line(view.head))
        yield _line(self._end_line(view.chain, view.receipt.sequence - 1, view.previous_hash, last))

    def export(
        self,
        tx: Connection,
        organization_id: str,
        since: datetime,
        until: datetime,
        *,
        seller: str | None = None,
    ) -> Iterator[bytes]:
        """Yield the lines of a stretch that has the receipts of all calls of a time.

        With `seller`, a publisher's slug, only the sales of this publisher are shown, and nothing
        of the buyer: the rest is digests, by which the chain can be checked all the same. Nothing
        is yielded where there is nothing.
        """
        chain = repository.find_chain(tx, organization_id)
        stretch = repository.find_stretch(tx, organization_id, since, until)
        if chain is None or stretch is None:
            return
        before = stretch.first - 1
        before_hash = repository.find_hash(tx, organization_id, before)
        heads = repository.heads_of(tx, organization_id, stretch)
        yield _line(_chain_line(chain.id, before, before_hash))
        last: StoredReceipt | None = None
        for last in repository.receipts_of(tx, organization_id, stretch):
            shows_sale = seller is None or _seller_of(last) == seller
            yield _line(_receipt_line(last, shows_sale=shows_sale, shows_buyer=seller is None))
            if last.sequence in heads:
                yield _line(_head_line(heads[last.sequence]))
        assert last is not None
        yield _line(self._end_line(chain.id, before, before_hash, last))

    def _end_line(
        self, chain: str, before: int, before_hash: str, last: StoredReceipt
    ) -> dict[str, Any]:
        end = {
            "after": {"hash": before_hash, "sequence": before},
            "at": told_time(self._clock.now()),
            "chain": chain,
            "hash": last.hash,
            "sequence": last.sequence,
        }
        signature = self._signer.sign(END_TYPE, canonical(end))
        return {
            "end": end,
            "key": self._signer.key_id,
            "kind": "end",
            "signature": signature.hex(),
        }


def _line(record: dict[str, Any]) -> bytes:
    return canonical(record) + b"\n"


def _chain_line(chain: str, sequence: int, hash_before: str) -> dict[str, Any]:
    return {
        "after": {"hash": hash_before, "sequence": sequence},
        "chain": chain,
        "format": FORMAT,
        "kind": "chain",
    }


def _receipt_line(receipt: StoredReceipt, *, shows_sale: bool, shows_buyer: bool) -> dict[str, Any]:
    return {
        "buyer": _shown(receipt.buyer, is_shown=shows_buyer),
        "kind": "receipt",
        "sale": _shown(receipt.sale, is_shown=shows_sale),
        "sequence": receipt.sequence,
    }


def _shown(part: str, *, is_shown: bool) -> Any:
    return msgspec.json.decode(part) if is_shown else digest(part.encode())


def _head_line(head: StoredHead) -> dict[str, Any]:
    return {
        "head": msgspec.json.decode(head.head),
        "key": head.key_id,
        "kind": "head",
        "signature": head.signature,
    }


def _seller_of(receipt: StoredReceipt) -> str:
    sale: dict[str, Any] = msgspec.json.decode(receipt.sale)
    return str(sale["seller"])
