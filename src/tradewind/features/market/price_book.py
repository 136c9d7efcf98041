"""The price book for people: what they set by hand, by signed files and by margins.

Prices of models are everybody's, so that only administrators of the platform change them. What
looks like a mistake is put up for review; a rise keeps the notice. One change of the book follows
the other: whoever compares a file with the prices finds them unchanged when it is applied.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Forbidden, InvalidInput, NotFound
from tradewind.core.ids import ModelId, PriceFileId, PriceId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.market import repository, signing
from tradewind.features.market.errors import (
    NoticeTooShort,
    PriceFileRefused,
    PriceMoved,
    PriceRefused,
    PriceUnusual,
    Problem,
    ProposalDecided,
    SignatureUnknown,
)
from tradewind.features.market.rules.margins import dearest, priced
from tradewind.features.market.rules.price_file import FileEntry, read_price_file
from tradewind.features.market.rules.prices import problems_of
from tradewind.features.market.rules.timeline import (
    Change,
    Moment,
    Timeline,
    change_of,
    spoken,
    to_write,
)
from tradewind.features.market.schemas import (
    FileReport,
    FileRow,
    KeyRow,
    MarginRow,
    MarginRun,
    NewMargin,
    NewPrice,
    PriceRow,
    PriceSource,
    PriceTerms,
    ProposalRow,
    ProviderCost,
    Quote,
    Scope,
)
from tradewind.features.market.service import Market

NOTICE_DAYS = 30
MOST_KEYS = 100
MOST_MARGINS = 1_000
MOST_PROPOSALS = 1_000
MOST_VERSIONS = 1_000
_MOST_FILES = 100
_LONGEST_NAME = 80
_LATE = timedelta(minutes=10)
"""A moment that has passed by so little is now: a file takes a while from its writer to here."""


class PriceReaders(NamedTuple):
    """What the price book reads across features; of `readmodels`."""

    ids_of: Callable[[Connection, Collection[str]], Mapping[str, str]]
    """Ids of models by their names."""
    costs: Callable[[Connection], Iterable[ProviderCost]]
    """What providers take, of every model that is called at one."""


class PriceBook:
    """Every method raises Forbidden for whoever does not run the platform."""

    def __init__(
        self,
        market: Market,
        clock: Clock,
        readers: PriceReaders,
        *,
        notice: timedelta = timedelta(days=NOTICE_DAYS),
    ) -> None:
        self._market = market
        self._clock = clock
        self._readers = readers
        self.notice = notice
        """Between telling of a rise and its taking effect."""

    # --- by hand -------------------------------------------------------------------------------

    def quote(self, tx: Connection, actor: Actor, new: NewPrice) -> Quote:
        """Return what setting a price would change, and from when; changes nothing.

        Raises NotFound, PriceRefused, InvalidInput.
        """
        _require(actor, Permission.FINANCE_READ)
        return self._quote(tx, new)

    def set_price(self, tx: Connection, actor: Actor, new: NewPrice, *, by: str) -> Quote:
        """Add a price version; none where the same would be in force anyway.

        Raises NotFound, PriceRefused, InvalidInput, PriceMoved (409) when the last price is not the
        expected one, PriceUnusual (409) and NoticeTooShort (409) unless it says that it is meant.
        """
        _require(actor, Permission.FINANCE_WRITE)
        repository.lock_book(tx)
        quote = self._quote(tx, new)
        timeline = self._timelines(tx, [quote.model_id])[quote.model_id]
        if new.expected is not None and new.expected != timeline.last_id:
            raise PriceMoved(
                f"the price of {new.model} has changed meanwhile", hint="look at it again"
            )
        if quote.difference.unusual and not new.is_meant:
            raise PriceUnusual(
                f"this looks like a mistake: {quote.difference.unusual}",
                hint="say that it is meant, if it is",
            )
        if quote.effective_at < quote.earliest_at and not new.waives_notice:
            raise NoticeTooShort(
                f"{new.model} would cost more before the notice of {self.notice.days} days has"
                " passed",
                hint=f"let it take effect on {quote.earliest_at:%Y-%m-%d}, or waive the notice",
            )
        self._write(tx, quote, timeline.moments, source=PriceSource.ORDER, subject="", by=by)
        return quote

    def _quote(self, tx: Connection, new: NewPrice) -> Quote:
        found = self._readers.ids_of(tx, [new.model]).get(new.model)
        if found is None:
            raise NotFound(
                f"there is no model {new.model[:200]!r}", hint="search the catalog for its name"
            )
        problems = list(problems_of(new.terms))
        if problems:
            raise PriceRefused(
                f"this is no price: {'; '.join(problems)}", hint="correct what is named"
            )
        now = self._clock.now()
        if new.effective_at is not None and new.effective_at < now - _LATE:
            raise InvalidInput(
                "a price cannot be in force from a moment that has passed",
                hint="what was used already is corrected by credit notes",
            )
        timeline = self._timelines(tx, [found])[found]
        asked = now if new.waives_notice and new.effective_at is None else new.effective_at
        change = self._change(timeline.moments, new.terms, asked, now)
        return Quote(new.model, found, new.terms, *change)

    def _change(
        self, timeline: Timeline, terms: PriceTerms, asked: datetime | None, now: datetime
    ) -> Change:
        return change_of(timeline, terms, asked, now=now, with_notice=self._with_notice(now))

    def _timelines(self, tx: Connection, model_ids: Collection[str]) -> dict[str, "_Known"]:
        now = self._clock.now()
        in_force = repository.prices_at(tx, model_ids, now)
        coming = repository.coming_prices(tx, model_ids, now)
        found: dict[str, _Known] = {}
        for model_id in model_ids:
            rows = [in_force[model_id]] if model_id in in_force else []
            rows += coming.get(model_id, [])
            found[model_id] = _Known(rows)
        return found

    def _write(
        self,
        tx: Connection,
        quote: Quote,
        timeline: Timeline,
        *,
        source: PriceSource,
        subject: str,
        by: str,
    ) -> None:
        """Add the versions that put a quote into a timeline."""
        after = spoken(timeline, Moment(quote.effective_at, quote.terms))
        self._write_all(tx, quote.model_id, timeline, after, source=source, subject=subject, by=by)

    def _write_all(
        self,
        tx: Connection,
        model_id: str,
        before: Timeline,
        after: Timeline,
        *,
        source: PriceSource,
        subject: str,
        by: str,
    ) -> int:
        written = to_write(before, after)
        for moment in written:
            self._market.add_price(
                tx,
                ModelId(model_id),
                moment.terms,
                effective_at=moment.at,
                source=source,
                subject=subject,
                by=by,
            )
        return len(written)

    def _with_notice(self, now: datetime) -> datetime:
        """Return the first day that begins after the notice."""
        if not self.notice:
            return now
        begins = (now + self.notice).astimezone(UTC)
        day = begins.replace(hour=0, minute=0, second=0, microsecond=0)
        return day if day == begins else day + timedelta(days=1)

    def history(self, tx: Connection, model_id: str) -> list[PriceRow]:
        """Return all versions of a model's price, the one that is in force last first. Who may see
        the model may see its prices.
        """
        return repository.prices_of(tx, model_id, limit=MOST_VERSIONS)

    # --- files ---------------------------------------------------------------------------------

    def check_file(
        self, tx: Connection, actor: Actor, content: bytes, *, key_id: str, signature: bytes
    ) -> FileReport:
        """Return what applying a file would do; changes nothing.

        Raises SignatureUnknown (403) and PriceFileRefused (422), which names every line.
        """
        _require(actor, Permission.FINANCE_READ)
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
        _require(actor, Permission.FINANCE_WRITE)
        repository.lock_book(tx)
        report = self._file(tx, content, key_id, signature)
        if not report.is_new:
            return report
        now = self._clock.now()
        file_id = PriceFileId.new()
        repository.add_file(
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
        known = self._timelines(tx, {quote.model_id for quote in report.quotes})
        for model_id, quotes in _by_model(report.quotes).items():
            after: Timeline = known[model_id].moments
            for quote in sorted(quotes, key=lambda quote: quote.effective_at):
                if quote.is_held:
                    self._propose(tx, quote, source=PriceSource.FILE, subject=file_id)
                else:
                    after = spoken(after, Moment(quote.effective_at, quote.terms))
            self._write_all(
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
        key = repository.find_key(tx, key_id)
        if key is None:
            raise SignatureUnknown(
                f"nobody trusts the key {key_id[:64]!r}", hint="`tradewind prices keys add` does"
            )
        signing.check_signature(content, key.public_key, signature)
        former = repository.find_file(tx, hashlib.sha256(content).digest())
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
        by_model = _by_model(quotes)
        known = self._timelines(tx, by_model)
        unchanged: set[str] = set()
        for model_id, own in by_model.items():
            after: Timeline = known[model_id].moments
            for quote in sorted(own, key=lambda quote: quote.effective_at):
                after = spoken(after, Moment(quote.effective_at, quote.terms))
            if not to_write(known[model_id].moments, after):
                unchanged.add(model_id)
        return [quote for quote in quotes if quote.model_id not in unchanged]

    def _quotes_of(self, tx: Connection, entries: Sequence[FileEntry], key: KeyRow) -> list[Quote]:
        """Return what each entry changes. Raises PriceFileRefused."""
        now = self._clock.now()
        ids = self._readers.ids_of(tx, {entry.model for entry in entries})
        known = self._timelines(tx, list(ids.values()))
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
            if entry.effective_at is not None and entry.effective_at < now - _LATE:
                problems.append(
                    Problem(entry.line, f"{entry.model}: {_said(entry.effective_at)} has passed")
                )
                continue
            change = self._change(latest[model_id], entry.terms, entry.effective_at, now)
            quote = Quote(entry.model, model_id, entry.terms, *change, entry.line)
            if quote.is_held:
                quotes.append(quote)
                continue
            if change.effective_at < change.earliest_at:
                problems.append(
                    Problem(
                        entry.line,
                        f"{entry.model}: it would cost more from {_said(change.effective_at)} on,"
                        f" and the notice of {self.notice.days} days ends at"
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
        _require(actor, Permission.FINANCE_READ)
        return repository.files(tx, limit=_MOST_FILES)

    # --- keys ----------------------------------------------------------------------------------

    def add_key(
        self, tx: Connection, actor: Actor, *, name: str, pem: bytes, publisher: str, by: str
    ) -> KeyRow:
        """Believe price files that are signed with a key; for all models, or for a publisher's.

        Idempotent. A key that was revoked stays so. Raises InvalidInput.
        """
        _require(actor, Permission.FINANCE_WRITE)
        if not 1 <= len(name) <= _LONGEST_NAME:
            raise InvalidInput(f"a key has a name of at most {_LONGEST_NAME} characters")
        if len(repository.keys(tx, limit=MOST_KEYS)) >= MOST_KEYS:
            raise InvalidInput(f"there are {MOST_KEYS} keys already")
        public_key = signing.public_key_of(pem)
        key_id = signing.key_id_of(public_key)
        row = KeyRow(key_id, name, public_key, publisher, by, self._clock.now(), None)
        repository.add_key(tx, row)
        found = repository.find_key(tx, key_id)
        assert found is not None
        return found

    def keys(self, tx: Connection, actor: Actor) -> list[KeyRow]:
        _require(actor, Permission.FINANCE_READ)
        return repository.keys(tx, limit=MOST_KEYS)

    def revoke_key(self, tx: Connection, actor: Actor, key_id: str, *, by: str) -> KeyRow:
        """Believe no further file of a key. Idempotent; what it priced stays. Raises NotFound."""
        _require(actor, Permission.FINANCE_WRITE)
        repository.revoke_key(tx, key_id, by, self._clock.now())
        found = repository.find_key(tx, key_id)
        if found is None:
            raise NotFound(f"there is no key {key_id[:64]!r}")
        return found

    # --- margins -------------------------------------------------------------------------------

    def margins(self, tx: Connection, actor: Actor) -> list[MarginRow]:
        _require(actor, Permission.FINANCE_READ)
        return repository.margins(tx, limit=MOST_MARGINS)

    def put_margin(self, tx: Connection, actor: Actor, new: NewMargin, *, by: str) -> MarginRow:
        """Let prices follow what providers take. It holds from the next run on, for models whose
        price nobody sets after it. Raises InvalidInput.
        """
        _require(actor, Permission.FINANCE_WRITE)
        _check_margin(new)
        repository.lock_book(tx)
        if len(repository.margins(tx, limit=MOST_MARGINS)) >= MOST_MARGINS:
            raise InvalidInput(f"there are {MOST_MARGINS} margins already")
        return repository.put_margin(tx, new, by=by, now=self._clock.now())

    def stop_margin(self, tx: Connection, actor: Actor, margin_id: str) -> None:
        """Let prices stay as they are. Idempotent. Raises NotFound."""
        _require(actor, Permission.FINANCE_WRITE)
        if not repository.stop_margin(tx, margin_id, now=self._clock.now()):
            raise NotFound(f"there is no margin {margin_id[:64]!r}")

    def run_margins(self, tx: Connection) -> MarginRun:
        """Set the price of each model whose cost or margin has changed. Idempotent; for the worker.

        A rise takes effect after the notice; what looks unusual is put up for review.
        """
        rows = [row for row in repository.margins(tx, limit=MOST_MARGINS) if row.is_enabled]
        if not rows:
            return MarginRun(0, 0)
        repository.lock_book(tx)
        now = self._clock.now()
        costs = list(self._readers.costs(tx))
        known = self._timelines(tx, {cost.model_id for cost in costs})
        set_prices = held = 0
        for model_id, model_costs in _by_model(costs).items():
            timeline = known[model_id]
            rule = _rule_of(rows, model_costs)
            if rule is None or not timeline.follows(rule):
                continue
            terms = _with_margin(model_costs, rule, timeline.last)
            if terms is None:
                continue
            change = self._change(timeline.moments, terms, None, now)
            quote = Quote(model_costs[0].model, model_id, terms, *change)
            source, subject = PriceSource.MARGIN, rule.margin_id
            if quote.is_held:
                held += self._propose(tx, quote, source=source, subject=subject)
            else:
                after = spoken(timeline.moments, Moment(quote.effective_at, terms))
                written = self._write_all(
                    tx,
                    model_id,
                    timeline.moments,
                    after,
                    source=source,
                    subject=subject,
                    by="margin",
                )
                set_prices += bool(written)
        return MarginRun(set_prices, held)

    # --- reviews -------------------------------------------------------------------------------

    def proposals(self, tx: Connection, actor: Actor) -> list[ProposalRow]:
        """Return the prices that wait for a review, the oldest first."""
        _require(actor, Permission.FINANCE_READ)
        return repository.proposals(tx, limit=MOST_PROPOSALS)

    def decide(
        self, tx: Connection, actor: Actor, proposal_id: str, *, is_accepted: bool, by: str
    ) -> PriceId | None:
        """Set a price that waited, after the notice if it is a rise, or refuse it.

        Raises NotFound, ProposalDecided (409).
        """
        _require(actor, Permission.FINANCE_WRITE)
        repository.lock_book(tx)
        row = repository.lock_proposal(tx, proposal_id)
        if row is None:
            raise NotFound(f"there is no price {proposal_id[:64]!r} that waits")
        if row.state != "waiting":
            raise ProposalDecided(f"{proposal_id} was {row.state} already")
        now = self._clock.now()
        price_id = None
        if is_accepted:
            timeline = self._timelines(tx, [row.model_id])[row.model_id]
            change = self._change(timeline.moments, row.terms, None, now)
            at = max(change.effective_at, row.effective_at)
            # Added even where the same would be in force: it is what the review ended with.
            price_id = self._market.add_price(
                tx,
                ModelId(row.model_id),
                row.terms,
                effective_at=at,
                source=row.source,
                subject=row.subject,
                by=by,
            )
            self._write_all(
                tx,
                row.model_id,
                spoken(timeline.moments, Moment(at, row.terms))
                + [moment for moment in timeline.moments if moment.at > at],
                spoken(timeline.moments, Moment(at, row.terms)),
                source=row.source,
                subject=row.subject,
                by=by,
            )
        repository.decide(tx, proposal_id, price_id=price_id, by=by, now=now)
        return price_id

    def _propose(self, tx: Connection, quote: Quote, *, source: PriceSource, subject: str) -> bool:
        """Put a price up for review. Returns False when the same waits already."""
        return repository.propose(
            tx,
            quote.model_id,
            quote.terms,
            source=source,
            subject=subject,
            effective_at=quote.effective_at,
            reason=quote.difference.unusual,
            now=self._clock.now(),
        )


class _Known:
    """The price in force of a model and those that follow."""

    def __init__(self, rows: Sequence[PriceRow]) -> None:
        self._rows = rows
        self.moments = [Moment(row.effective_at, row.terms) for row in rows]

    @property
    def last(self) -> PriceRow | None:
        return self._rows[-1] if self._rows else None

    @property
    def last_id(self) -> str:
        return self._rows[-1].price_id if self._rows else ""

    def follows(self, rule: MarginRow) -> bool:
        """Say whether a margin sets this model's price: whoever spoke last does."""
        last = max(self._rows, key=lambda row: row.created_at, default=None)
        return (
            last is None or last.source is PriceSource.MARGIN or last.created_at < rule.updated_at
        )


def _with_margin(
    costs: Sequence[ProviderCost], rule: MarginRow, former: PriceRow | None
) -> PriceTerms | None:
    """Return what a model costs by a margin, or None where that cannot be said."""
    currencies = {cost.currency for cost in costs}
    if len(currencies) > 1:
        return None  # without a rate of exchange there is no dearest of them
    terms = PriceTerms(
        currencies.pop(),
        priced(dearest([cost.meters for cost in costs]), rule.margin),
        "" if former is None else former.seller,
        former is None or former.is_charged,
    )
    # What a provider gives away is worth something else: that a person says.
    return None if any(problems_of(terms)) else terms


class _OfModel(Protocol):
    @property
    def model_id(self) -> str: ...


_Each = TypeVar("_Each", bound=_OfModel)


def _by_model(each: Iterable[_Each]) -> dict[str, list[_Each]]:
    found: dict[str, list[_Each]] = {}
    for one in each:
        found.setdefault(one.model_id, []).append(one)
    return found


def _rule_of(rows: Sequence[MarginRow], costs: Sequence[ProviderCost]) -> MarginRow | None:
    """Return the narrowest margin that holds for a model."""
    name = costs[0].model
    hosts = frozenset[str]().union(*(cost.hosts for cost in costs))
    for scope in Scope:
        for row in rows:
            if row.scope is scope and (
                (scope is Scope.MODEL and row.target == name)
                or (scope is Scope.PUBLISHER and row.target == name.partition("/")[0])
                or (scope is Scope.HOST and row.target in hosts)
                or scope is Scope.ALL
            ):
                return row
    return None


def _check_margin(new: NewMargin) -> None:
    margin = new.margin
    if (new.scope is Scope.ALL) != (not new.target) or len(new.target) > 2 * _LONGEST_NAME:
        raise InvalidInput("a margin is for a model, a publisher, a host, or for all and nothing")
    if not -10_000 <= margin.percent <= 10_000_000:
        raise InvalidInput("a margin is between -100 and 100,000 percent")
    if not 0 <= margin.least_nanos <= 10**15 or not 1 <= margin.step_nanos <= 10**12:
        raise InvalidInput("the least price or the step of a margin is out of range")


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _require(actor: Actor, permission: Permission) -> None:
    require(actor, permission)
    if not is_platform_administrator(actor):
        raise Forbidden("only administrators of the platform see and change its price book")
