"""`tradewind safety policies` and `blocklists`, on a platform's database, whether the platform runs
or rests.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.ids import OrganizationId
from tradewind.core.settings import Settings
from tradewind.features.safety.policy_files import read_policy_file, write_policy_file
from tradewind.features.safety.rules.limits import FILE_BYTES_MAX, ITEMS_AT_ONCE, ITEMS_MAX
from tradewind.features.safety.schemas import (
    BindingRow,
    BlocklistRow,
    NewItem,
    PolicyFile,
    PolicyRow,
    SubjectKind,
)
from tradewind.features.safety.services import SafetyServices
from tradewind.readmodels.first_organization import first_organization
from tradewind.serve.operating import AT_THE_COMMAND, Operator
from tradewind.serve.resting_platform import any_database
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.serve.services import build_services

_TERMS_BYTES_MAX = 8 * 1024 * 1024


class Shown(NamedTuple):
    row: PolicyRow
    bindings: list[BindingRow]
    yaml: str


def list_policies(settings: Settings, organization: str | None) -> list[PolicyRow]:
    with _opened(settings, organization) as (tx, safety, operator):
        return safety.policies.list_policies(tx, operator)


def show_policy(settings: Settings, organization: str | None, name: str) -> Shown:
    """Return a policy by its name or id. Raises NotFound."""
    with _opened(settings, organization) as (tx, safety, operator):
        row = _find(tx, safety, operator, name)
        return Shown(
            row,
            safety.bindings.list_bindings(tx, operator, row.policy_id),
            write_policy_file(row.name, row.content),
        )


def apply_policy(
    settings: Settings, organization: str | None, path: Path, *, why: str
) -> tuple[PolicyRow, bool]:
    """Return what the policy is now, and whether anything was changed. Raises PolicyRefused."""
    file = read_file(path)
    file = PolicyFile(file.name, why or file.why, file.content)
    with _opened(settings, organization) as (tx, safety, operator):
        return safety.policies.apply(tx, operator, file, by=AT_THE_COMMAND)


def read_file(path: Path) -> PolicyFile:
    """Raises InvalidInput, PolicyRefused."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    return read_policy_file(raw)


def bind(
    settings: Settings, organization: str | None, name: str, kind: SubjectKind, subject: str
) -> BindingRow:
    with _opened(settings, organization) as (tx, safety, operator):
        row = _find(tx, safety, operator, name)
        return safety.bindings.bind(
            tx,
            operator,
            row.policy_id,
            kind,
            subject or operator.organization_id,
            by=AT_THE_COMMAND,
        )


def unbind(
    settings: Settings, organization: str | None, name: str, kind: SubjectKind, subject: str
) -> None:
    with _opened(settings, organization) as (tx, safety, operator):
        row = _find(tx, safety, operator, name)
        safety.bindings.unbind(
            tx,
            operator,
            row.policy_id,
            kind,
            subject or operator.organization_id,
            by=AT_THE_COMMAND,
        )


def delete_policy(settings: Settings, organization: str | None, name: str) -> None:
    with _opened(settings, organization) as (tx, safety, operator):
        row = _find(tx, safety, operator, name)
        safety.policies.delete_policy(tx, operator, row.policy_id)


def list_blocklists(settings: Settings, organization: str | None) -> list[BlocklistRow]:
    with _opened(settings, organization) as (tx, safety, operator):
        return safety.blocklists.list_blocklists(tx, operator)


def load_terms(settings: Settings, organization: str | None, name: str, path: Path) -> BlocklistRow:
    """Add the lines of a file to a blocklist, which is made if it is not there. All of them or
    none. Raises InvalidInput, TooManySafetyThings.
    """
    terms = _terms(path)
    with _opened(settings, organization) as (tx, safety, operator):
        lists = safety.blocklists
        found = lists.find_by_name(tx, operator, name) or lists.add_blocklist(tx, operator, name)
        for at in range(0, len(terms), ITEMS_AT_ONCE):
            part = [NewItem(term) for term in terms[at : at + ITEMS_AT_ONCE]]
            lists.add_items(tx, operator, found.blocklist_id, part)
        return lists.get_blocklist(tx, operator, found.blocklist_id)


def _terms(path: Path) -> Sequence[str]:
    try:
        with path.open("rb") as stream:
            text = stream.read(_TERMS_BYTES_MAX).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read as text: {type(error).__name__}") from error
    terms = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if len(terms) > ITEMS_MAX:
        raise InvalidInput(
            f"{path} has {len(terms):,} terms", hint=f"a blocklist has at most {ITEMS_MAX:,}"
        )
    return terms


def _find(tx: Connection, safety: SafetyServices, operator: Operator, name: str) -> PolicyRow:
    for row in safety.policies.list_policies(tx, operator):
        if name in {row.name, row.policy_id}:
            return row
    raise NotFound(
        f"there is no policy {name[:80]!r}", hint="`tradewind safety policies list` shows them"
    )


@contextmanager
def _opened(
    settings: Settings, organization: str | None
) -> Generator[tuple[Connection, SafetyServices, Operator]]:
    """Yield a transaction and who acts in it: in the named organization, or in the platform's."""
    secrets = DataFolder(settings.data.resolve()).secrets
    with any_database(settings, "tradewind-safety") as database:
        services = build_services(
            load_or_create_pepper(secrets), load_or_create_key_encryption(secrets)
        )
        with database.transaction() as tx:
            where = (
                OrganizationId.parse(organization)
                if organization is not None
                else first_organization(tx)
            )
            operator = Operator(where)
            services.people.get_organization(tx, operator)
            yield tx, services.safety, operator
