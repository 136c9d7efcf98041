"""`tradewind prices`: reads and changes the price book of a platform that runs or rests."""

import base64
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import msgspec

from tradewind.core.clock import SystemClock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.ids import OrganizationId
from tradewind.core.pricing.charges import PlanTerms
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.features.market import signing
from tradewind.features.market.rules.price_file import MOST_BYTES
from tradewind.features.market.schemas import (
    FileReport,
    KeyRow,
    MarginPreview,
    MarginRow,
    NewMargin,
    PriceRow,
    ProposalRow,
)
from tradewind.features.market.service import Market
from tradewind.features.market.services import PriceServices
from tradewind.features.market.simulator import Question, Simulation
from tradewind.readmodels.first_organization import first_organization
from tradewind.readmodels.prices import PricedModel, find_priced, list_prices, model_names
from tradewind.readmodels.unpriced import Unpriced, unpriced
from tradewind.serve.imports.apply import KeeperOfTheData
from tradewind.serve.price_services import build_price_services
from tradewind.serve.resting_platform import any_database

_STATEMENT_S = 300.0
_BY = "whoever holds the data"
_SIGNATURE_MAX_BYTES = 4096


class Signature(NamedTuple):
    key_id: str
    signature: bytes


def prices(settings: Settings, *, query: str, after: str, limit: int) -> list[PricedModel]:
    """Return the price book, by name. Raises StartupError when there is no database."""
    with _database(settings) as database, database.transaction() as tx:
        return list_prices(tx, query=query, after=after, limit=limit, everything=True)


def history(settings: Settings, name: str) -> tuple[PricedModel, list[PriceRow]]:
    """Return a model's price and all its versions. Raises NotFound."""
    with _database(settings) as database, database.transaction() as tx:
        found = find_priced(tx, name, everything=True)
        if found is None:
            raise NotFound(f"there is no model {name[:200]!r}")
        return found, _services(settings).book.history(tx, found.model_id)


def apply_file(settings: Settings, file: Path, *, is_dry_run: bool) -> FileReport:
    """Apply a price file, or say what that would change. Its signature lies beside it.

    Raises InvalidInput, SignatureUnknown, PriceFileRefused.
    """
    content = _read(file, MOST_BYTES)
    key_id, signature = read_signature(file)
    files = _services(settings).files
    with _database(settings) as database, database.transaction() as tx:
        if is_dry_run:
            return files.check_file(
                tx, KeeperOfTheData(), content, key_id=key_id, signature=signature
            )
        return files.apply_file(
            tx, KeeperOfTheData(), content, key_id=key_id, signature=signature, by=_BY
        )


def sign(file: Path, key: Path) -> tuple[str, Path]:
    """Write the signature of a price file beside it; return the key's id and where it lies."""
    content = _read(file, MOST_BYTES)
    key_id, signature = signing.sign(content, _read(key, _SIGNATURE_MAX_BYTES))
    beside = signature_file(file)
    said = {"key_id": key_id, "signature": base64.b64encode(signature).decode()}
    beside.write_text(json.dumps(said) + "\n", encoding="utf-8")
    return key_id, beside


def signature_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.sig")


def read_signature(file: Path) -> Signature:
    """Raises InvalidInput when none lies beside the file, or it is none."""
    beside = signature_file(file)
    try:
        said = msgspec.json.decode(_read(beside, _SIGNATURE_MAX_BYTES), type=dict[str, str])
        return Signature(said["key_id"], base64.b64decode(said["signature"], validate=True))
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, ValueError):
        raise InvalidInput(
            f"{beside} is no signature", hint="make it with `tradewind prices sign FILE --key KEY`"
        ) from None


def keys(settings: Settings) -> list[KeyRow]:
    """Return the keys whose price files are believed."""
    with _database(settings) as database, database.transaction() as tx:
        return _services(settings).files.keys(tx, KeeperOfTheData())


def add_key(settings: Settings, name: str, file: Path, *, publisher: str) -> KeyRow:
    """Believe the price files of a key. Raises InvalidInput."""
    pem = _read(file, _SIGNATURE_MAX_BYTES)
    with _database(settings) as database, database.transaction() as tx:
        return _services(settings).files.add_key(
            tx, KeeperOfTheData(), name=name, pem=pem, publisher=publisher, by=_BY
        )


def revoke_key(settings: Settings, key_id: str) -> KeyRow:
    """Believe no further file of a key. Raises NotFound."""
    with _database(settings) as database, database.transaction() as tx:
        return _services(settings).files.revoke_key(tx, KeeperOfTheData(), key_id, by=_BY)


def margins(settings: Settings) -> list[MarginRow]:
    """Return all margins over what providers take."""
    with _database(settings) as database, database.transaction() as tx:
        return _services(settings).margins.all(tx, KeeperOfTheData())


def preview_margin(settings: Settings, new: NewMargin) -> MarginPreview:
    """Return what a margin would make of today's costs. Raises InvalidInput."""
    with _database(settings) as database, database.transaction() as tx:
        return _services(settings).margins.preview(tx, KeeperOfTheData(), new)


def put_margin(settings: Settings, new: NewMargin) -> MarginRow:
    """Let prices follow what providers take. Raises InvalidInput."""
    with _database(settings) as database, database.transaction() as tx:
        return _services(settings).margins.put(tx, KeeperOfTheData(), new, by=_BY)


def stop_margin(settings: Settings, margin_id: str) -> None:
    """Leave prices as they are. Raises NotFound."""
    with _database(settings) as database, database.transaction() as tx:
        _services(settings).margins.stop(tx, KeeperOfTheData(), margin_id)


def proposals(settings: Settings) -> list[tuple[str, ProposalRow]]:
    """Return the prices that wait for a review, with their models' names."""
    with _database(settings) as database, database.transaction() as tx:
        rows = _services(settings).proposals.waiting(tx, KeeperOfTheData())
        names = model_names(tx, {row.model_id for row in rows})
        return [(names[row.model_id], row) for row in rows]


def decide_proposal(settings: Settings, proposal_id: str, *, is_accepted: bool) -> str | None:
    """Set a price that waits, or refuse it; return the id of the one that was set.

    Raises NotFound, ProposalDecided, PriceRefused.
    """
    with _database(settings) as database, database.transaction() as tx:
        return _services(settings).proposals.decide(
            tx, KeeperOfTheData(), proposal_id, is_accepted=is_accepted, by=_BY
        )


def gaps(settings: Settings) -> list[Unpriced]:
    """Return what nobody said a price for."""
    with _database(settings) as database, database.transaction() as tx:
        return unpriced(tx, SystemClock().now())


def simulate(
    settings: Settings, file: Path, *, models: Sequence[str], organization: str | None, days: int
) -> Simulation:
    """Rate past usage by the terms of a plan in a JSON file. Raises InvalidInput, TermsRefused."""
    try:
        terms = msgspec.json.decode(_read(file, MOST_BYTES), type=PlanTerms)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} has no terms of a plan: {error}") from error
    with _database(settings) as database, database.transaction() as tx:
        first_organization(tx)
        whose = None if organization is None else OrganizationId.parse(organization)
        question = Question(terms, tuple(models), whose, days)
        return _services(settings).simulator.simulate(tx, KeeperOfTheData(), question)


def _services(settings: Settings) -> PriceServices:
    clock = SystemClock()
    return build_price_services(
        Market(clock),
        clock,
        notice_days=settings.price_notice_days,
        currency=settings.currency,
    )


def _read(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(most + 1)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > most:
        raise InvalidInput(f"{file} is longer than {most} bytes")
    return content


def _database(settings: Settings) -> AbstractContextManager[Database]:
    patient = Timeouts(statement_s=_STATEMENT_S)
    return any_database(settings, "tradewind-prices", timeouts=patient)
