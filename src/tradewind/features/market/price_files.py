"""Signed price files, and the keys whose files are believed.

A file is applied as a whole or not at all, and once. Whoever compares it with the prices finds them
unchanged when it is applied.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.ids import PriceFileId
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Actor
from tradewind.features.market import signing
from tradewind.features.market.errors import PriceFileRefused, Problem, SignatureUnknown
from tradewind.features.market.ports import ModelIds
from tradewind.features.market.repository import files as price_files
from tradewind.features.market.repository import prices
from tradewind.features.market.rights import require_of_the_book
from tradewind.features.market.rules.price_file import FileEntry, read_price_file
from tradewind.features.market.rules.timeline import Moment, Timeline, spoken, to_write
from tradewind.features.market.schemas import FileReport, FileRow, KeyRow, PriceSource, Quote
from tradewind.features.market.versions import LATE, Versions, by_model

MOST_KEYS = 100
_MOST_FILES = 100
_LONGEST_NAME = 80


class PriceFiles:
    """Every method raises Forbidden for whoever does not run the platform."""

    def __init__(self, versions: Versions, clock: Clock, ids_of: ModelIds) -> None:
        self._versions = versions
        self._clock = clock
        self._ids_of = ids_of

    def check_file(
        self, tx: Connection, actor: Actor, content: bytes, *, key_id: str, signature: bytes
    ) -> FileReport:
        """Return what applying a file would do; changes nothing.

        Raises SignatureUnknown (403) and PriceFileRefused (422), which names every line.
        """
        require_of_the_book(actor, Permission.FINANCE_READ)
        return self._file(tx, content, key_id, signature)

    def apply_file(
        self,
        tx: Connection,
        actor: Actor,
        content: bytes,
        *,
        key_id: str,
        signature: bytes,
        by: str,
    ) -> FileReport:
        """Set all prices of a file or none. The same file again is the same, and does nothing.

        What looks unusual is put up for review. Raises as `check_file`.
        """
        require_of_the_book(actor, Permission.FINANCE_WRITE)
        prices.lock_book(tx)
        report = self._file(tx, content, key_id, signature)
        if not report.is_new:
            return report
        now = self._clock.now()
        file_id = PriceFileId.new()
        price_files.add_file(
            tx,
            file_id,
            sha256=hashlib.sha256(content).digest(),
            content=content,
            signature=signature,
            key_id=key_id,
            entries=len(report.quotes) + report.unchanged,
            prices=report.set_prices,
            held=report.held,
            by=by,
            now=now,
        )
        known = self._versions.known(tx, {quote.model_id for quote in report.quotes})
        for model_id, quotes in by_model(report.quotes).items():
            after: Timeline = known[model_id].moments
            for quote in sorted(quotes, key=lambda quote: quote.effective_at):
                if quote.is_held:
                    self._versions.propose(tx, quote, source=PriceSource.FILE, subject=file_id)
                else:
                    after = spoken(after, Moment(quote.effective_at, quote.terms))
            self._versions.write(
                tx,
                model_id,
                known[model_id].moments,
                after,
                source=PriceSource.FILE,
                subject=file_id,
                by=by,
            )
        return replace(report, file_id=file_id)

    def _file(self, tx: Connection, content: bytes, key_id: str, signature: bytes) -> FileReport:
        key = price_files.find_key(tx, key_id)
        if key is None:
            raise SignatureUnknown(
                f"nobody trusts the key {key_id[:64]!r}", hint="`tradewind prices keys add` does"
            )
        signing.check_signature(content, key.public_key, signature)
        former = price_files.find_file(tx, hashlib.sha256(content).digest())
        if former is not None:
            return FileReport(
                former.file_id, former.key_id, False, (), 0, former.prices, former.held
            )
        if key.revoked_at is not None:
            raise SignatureUnknown(
                f"the key {key.name!r} was revoked on {key.revoked_at:%Y-%m-%d}",
                hint="sign the file with another one",
            )
        read = read_price_file(content)
        if read.problems:
            raise PriceFileRefused(read.problems)
        quotes = self._quotes_of(tx, read.entries, key)
        changed = self._changed(tx, quotes)
        held = sum(quote.is_held for quote in changed)
        return FileReport(
            None,
            key_id,
            True,
            tuple(changed),
            len(quotes) - len(changed),
            len(changed) - held,
            held,
        )

    def _changed(self, tx: Connection, quotes: Sequence[Quote]) -> list[Quote]:
        """Leave out models for which all stays as it is known."""
        of_models = by_model(quotes)
        known = self._versions.known(tx, of_models)
        unchanged: set[str] = set()
        for model_id, own in of_models.items():
            after: Timeline = known[model_id].moments
            for quote in sorted(own, key=lambda quote: quote.effective_at):
                after = spoken(after, Moment(quote.effective_at, quote.terms))
            if not to_write(known[model_id].moments, after):
                unchanged.add(model_id)
        return [quote for quote in quotes if quote.model_id not in unchanged]

    def _quotes_of(self, tx: Connection, entries: Sequence[FileEntry], key: KeyRow) -> list[Quote]:
        """Return what each entry changes. Raises PriceFileRefused."""
        now = self._clock.now()
        ids = self._ids_of(tx, {entry.model for entry in entries})
        known = self._versions.known(tx, list(ids.values()))
        problems: list[Problem] = []
        quotes: list[Quote] = []
        latest: dict[str, Timeline] = {
            model_id: timeline.moments for model_id, timeline in known.items()
        }
        # In the order of time: of two prices of a model the later one follows the earlier.
        ordered = sorted(entries, key=lambda entry: (entry.effective_at or now, entry.line))
        for entry in ordered:
            model_id = ids.get(entry.model)
            if model_id is None:
                problems.append(Problem(entry.line, f"there is no model {entry.model!r}"))
                continue
            if key.publisher_slug and entry.model.partition("/")[0] != key.publisher_slug:
                problems.append(
                    Problem(entry.line, f"the key is for models of {key.publisher_slug} alone")
                )
                continue
            if entry.terms.seller not in {"", entry.model.partition("/")[0]}:
                problems.append(
                    Problem(entry.line, f"{entry.model}: its publisher is the only other seller")
                )
                continue
            # A file that was applied in time is found again by its digest, whenever it comes.
            if entry.effective_at is not None and entry.effective_at < now - LATE:
                problems.append(
                    Problem(entry.line, f"{entry.model}: {_said(entry.effective_at)} has passed")
                )
                continue
            change = self._versions.change(latest[model_id], entry.terms, entry.effective_at, now)
            quote = Quote(entry.model, model_id, entry.terms, *change, entry.line)
            if quote.is_held:
                quotes.append(quote)
                continue
            if change.effective_at < change.earliest_at:
                problems.append(
                    Problem(
                        entry.line,
                        f"{entry.model}: it would cost more from {_said(change.effective_at)} on,"
                        f" and the notice of {self._versions.notice.days} days ends at"
                        f" {_said(change.earliest_at)}",
                    )
                )
                continue
            quotes.append(quote)
            latest[model_id] = spoken(latest[model_id], Moment(change.effective_at, entry.terms))
        if problems:
            raise PriceFileRefused(sorted(problems))
        return sorted(quotes, key=lambda quote: quote.line)

    def files(self, tx: Connection, actor: Actor) -> list[FileRow]:
        """Return the files that were applied, the newest first."""
        require_of_the_book(actor, Permission.FINANCE_READ)
        return price_files.files(tx, limit=_MOST_FILES)

    # --- keys ----------------------------------------------------------------------------------

    def add_key(
        self, tx: Connection, actor: Actor, *, name: str, pem: bytes, publisher: str, by: str
    ) -> KeyRow:
        """Believe price files that are signed with a key; for all models, or for a publisher's.

        Idempotent. A key that was revoked stays so. Raises InvalidInput.
        """
        require_of_the_book(actor, Permission.FINANCE_WRITE)
        if not 1 <= len(name) <= _LONGEST_NAME:
            raise InvalidInput(f"a key has a name of at most {_LONGEST_NAME} characters")
        if len(price_files.keys(tx, limit=MOST_KEYS)) >= MOST_KEYS:
            raise InvalidInput(f"there are {MOST_KEYS} keys already")
        public_key = signing.public_key_of(pem)
        key_id = signing.key_id_of(public_key)
        row = KeyRow(key_id, name, public_key, publisher, by, self._clock.now(), None)
        price_files.add_key(tx, row)
        found = price_files.find_key(tx, key_id)
        assert found is not None
        return found

    def keys(self, tx: Connection, actor: Actor) -> list[KeyRow]:
        require_of_the_book(actor, Permission.FINANCE_READ)
        return price_files.keys(tx, limit=MOST_KEYS)

    def revoke_key(self, tx: Connection, actor: Actor, key_id: str, *, by: str) -> KeyRow:
        """Believe no further file of a key. Idempotent; what it priced stays. Raises NotFound."""
        require_of_the_book(actor, Permission.FINANCE_WRITE)
        price_files.revoke_key(tx, key_id, by, self._clock.now())
        found = price_files.find_key(tx, key_id)
        if found is None:
            raise NotFound(f"there is no key {key_id[:64]!r}")
        return found


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
