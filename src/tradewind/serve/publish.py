"""`tradewind publish`: from a file in a repository to listings on their way. A second run of the
same file changes nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from tradewind.core.acting import By
from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import InvalidInput, TradewindError
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import Permission
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.features.publishing import rules
from tradewind.features.publishing.errors import NotPublisher
from tradewind.features.publishing.manifest import (
    is_feed,
    read_card,
    read_feed,
    read_manifest,
    split_card,
)
from tradewind.features.publishing.schemas import Content, Desired, Difference, State
from tradewind.features.publishing.services import PublishingServices, build_publishing
from tradewind.features.trust.schemas import Release, SubjectKind
from tradewind.serve.artifacts import build_artifacts
from tradewind.serve.imports.run import read_text
from tradewind.serve.imports.safe_yaml import parse_yaml
from tradewind.serve.running_platform import running_database
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.serve.services import Services, build_services
from tradewind.serve.trust import gate_of

_BY = By("cli", "tradewind publish")


@dataclass(frozen=True, slots=True)
class How:
    publisher: str | None = None
    """For files that do not say it: feeds and cards."""
    model: str | None = None
    connection: str | None = None
    """Name or id."""
    is_dry_run: bool = False
    submits: bool = True
    resubmits: bool = False
    """Submit again what was sent back and has not changed since."""


@dataclass(frozen=True, slots=True)
class Published:
    """What came of one model."""

    name: str
    listing_id: str
    change: str
    """begun, changed, submitted, unchanged or refused."""
    state: str
    differences: tuple[Difference, ...] = ()
    """Against what was there before."""
    problems: dict[str, str] = field(default_factory=dict[str, str])
    """What keeps it from being submitted, by field."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Whoever may write into the data folder, for the organization that is the publisher."""

    organization_id: OrganizationId
    project_id: ProjectId = field(default_factory=ProjectId.new)

    def may(self, permission: Permission) -> bool:
        del permission
        return True


def publish(settings: Settings, file: Path, how: How) -> list[Published]:
    """Bring what a file says on its way. Raises InvalidInput, StartupError when nothing runs."""
    desired = read_file(file, how)
    folder = DataFolder(settings.data.resolve())
    with running_database(settings, "tradewind-publish") as database:
        keys = load_or_create_key_encryption(folder.secrets)
        services = build_services(load_or_create_pepper(folder.secrets), keys)
        publishing = build_publishing(
            services.catalog,
            services.providers,
            services.endpoints,
            services.clock,
            artifacts=build_artifacts(settings, folder, keys).artifacts,
            release_gate=gate_of(services.trust, SubjectKind.MODEL, Release.LISTING),
        )
        return carry_out(database, services, publishing, desired, how)


def read_file(file: Path, how: How) -> list[Desired]:
    """Return the models that a manifest, a feed or a README tells of. Raises InvalidInput."""
    text = read_text(file)
    if file.suffix.lower() == ".md":
        front, markdown = split_card(text)
        publisher, model = _needed(how.publisher, "--publisher"), _needed(how.model, "--model")
        return [read_card(parse_yaml(front) if front else {}, markdown, publisher, model)]
    document = _parsed(file, text)
    if is_feed(document):
        publisher = _needed(how.publisher, "--publisher")
        return read_feed(document, publisher, _needed(how.connection, "--connection"))
    return read_manifest(document)


def carry_out(
    database: Database,
    services: Services,
    publishing: PublishingServices,
    desired: Sequence[Desired],
    how: How,
) -> list[Published]:
    """Do it in one transaction, which leaves nothing behind in a dry run."""
    with database.transaction() as tx:
        trial = tx.begin_nested()
        done = [_one(tx, services, publishing, each, how) for each in desired]
        if how.is_dry_run:
            trial.rollback()
    return done


def as_json(done: Sequence[Published], *, is_dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": is_dry_run,
        "models": [
            {
                "name": each.name,
                "listing": each.listing_id,
                "change": each.change,
                "state": each.state,
                "differences": [difference._asdict() for difference in each.differences],
                "problems": each.problems,
                "notes": list(each.notes),
            }
            for each in done
        ],
    }


def status_of(done: Sequence[Published]) -> int:
    """Return 3 when something is left to do by hand, 0 otherwise."""
    return 3 if any(each.problems for each in done) else 0


def _one(
    tx: Connection, services: Services, publishing: PublishingServices, each: Desired, how: How
) -> Published:
    name = f"{each.publisher}/{each.slug}"
    try:
        # A savepoint, so that one that is refused takes none of the others along.
        with tx.begin_nested():
            return _published(tx, services, publishing, each, how)
    except TradewindError as error:
        return Published(name, "", "refused", "", problems={"": str(error)}, notes=each.notes)


def _published(
    tx: Connection, services: Services, publishing: PublishingServices, each: Desired, how: How
) -> Published:
    listings = publishing.listings
    owner = services.catalog.find_publisher(tx, each.publisher)
    if owner is None or owner.organization_id is None or owner.verified_at is None:
        raise NotPublisher(
            f"nobody is the verified publisher {each.publisher[:80]!r}",
            hint="apply for the name in the portal first",
        )
    actor = _Keeper(owner.organization_id)
    name = f"{each.publisher}/{each.slug}"
    on_its_way, listed = listings.find_current(tx, actor, each.publisher, each.slug)
    former = on_its_way or listed
    before = None if former is None else former.content
    content = _overlaid(before, each)
    content = _resolved(tx, services, actor, content, how)
    differences = rules.differences(before, content)
    if former is not None and not differences and former.state is not State.DRAFT:
        return Published(name, former.listing_id, "unchanged", former.state.value, notes=each.notes)
    row = listings.begin(tx, actor, _BY, each.publisher, each.slug)
    if row.state is not State.DRAFT:
        problem = f"it is {row.state.value.replace('_', ' ')}: withdraw it, then publish again"
        return Published(
            name, row.listing_id, "refused", row.state.value, differences, {"": problem}, each.notes
        )
    row = listings.save(tx, actor, row.listing_id, content)
    problems = {field: str(error) for field, error in rules.problems(content).items()}
    change = "begun" if on_its_way is None else "changed" if differences else "unchanged"
    was_sent_back = bool(row.reason) and not differences
    if how.submits and not problems and (how.resubmits or not was_sent_back):
        row = listings.submit(tx, actor, _BY, row.listing_id)
        change = "submitted"
    elif was_sent_back:
        problems.setdefault("", f"it came back: {row.reason}")
    return Published(
        name, row.listing_id, change, row.state.value, differences, problems, each.notes
    )


def _resolved(
    tx: Connection, services: Services, actor: _Keeper, content: Content, how: How
) -> Content:
    """Return the content with the id of the connection that it names."""
    wanted = content.connection_id or ("" if content.artifact else how.connection or "")
    if not wanted:
        return content
    for row in services.providers.list_connections(tx, actor):
        if wanted in {row.id, row.name}:
            return msgspec.structs.replace(content, connection_id=str(row.id))
    raise InvalidInput(
        f"there is no connection {wanted[:80]!r}", hint="connect the provider in the portal first"
    )


def _overlaid(before: Content | None, each: Desired) -> Content:
    """Return what is wanted: a feed or a card leaves alone what it does not speak of."""
    if each.told is None:
        return each.content
    told = {name: getattr(each.content, name) for name in each.told}
    return msgspec.structs.replace(before or Content(), **told)


def _parsed(file: Path, text: str) -> object:
    if file.suffix.lower() == ".json":
        try:
            return json.loads(text, parse_float=str)
        except (ValueError, RecursionError):
            raise InvalidInput(f"{file} is not JSON") from None
    return parse_yaml(text)


def _needed(value: str | None, option: str) -> str:
    if not value:
        raise InvalidInput(f"this file does not say it: give {option}")
    return value
