"""`tradewind import`: from a file to the database of a running platform."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import InvalidInput
from tradewind.core.money import parse_nanos
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.features.endpoints.schemas import ModelPrice
from tradewind.features.providers.hosts import known_hosts
from tradewind.features.providers.schemas import HOST_CURRENCY
from tradewind.serve.imports.apply import KeeperOfTheData, Outcome, apply
from tradewind.serve.imports.litellm import read_litellm
from tradewind.serve.imports.one_api import read_channels
from tradewind.serve.imports.plan import Choices, Plan
from tradewind.serve.imports.ratios import read_ratios
from tradewind.serve.imports.report import Report
from tradewind.serve.running_platform import running_database
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.serve.services import Services, build_services

FILE_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class How:
    """How to import, whatever the file is of."""

    choices: Choices
    is_dry_run: bool = False
    replaces_keys: bool = False


def how(
    *,
    is_dry_run: bool,
    replaces_keys: bool,
    default_price: str | None,
    private_hosts: Collection[str],
    with_wildcards: bool = False,
) -> How:
    """Return options of the command as they are used. Raises InvalidInput."""
    price = None if default_price is None else parse_default_price(default_price)
    named = frozenset(host.strip().lower() for host in private_hosts)
    return How(Choices(with_wildcards, price, named), is_dry_run, replaces_keys)


def import_litellm(
    settings: Settings, file: Path, how: How, environment: Mapping[str, str]
) -> Report:
    """Take over LiteLLM's config.yaml. Raises InvalidInput, StartupError when nothing runs."""
    plan = read_litellm(
        read_text(file), environment=environment, hosts=known_hosts(), choices=how.choices
    )
    return _carry_out(settings, plan, "LiteLLM", how)


def import_channels(
    settings: Settings,
    file: Path,
    how: How,
    environment: Mapping[str, str],
    *,
    fork: str,
    keys: Mapping[str, str],
    ratios: Path | None,
) -> Report:
    """Take over channels of one-api or new-api. Raises as `import_litellm`."""
    plan = read_channels(
        read_text(file),
        fork=fork,
        environment=environment,
        keys=keys,
        ratios=None if ratios is None else read_ratios(read_text(ratios)),
        hosts=known_hosts(),
        choices=how.choices,
    )
    return _carry_out(settings, plan, fork, how)


def carry_out(database: Database, services: Services, plan: Plan, how: How) -> Outcome:
    """Make a plan in one transaction, which leaves nothing behind in a dry run."""
    with database.transaction() as tx:
        trial = tx.begin_nested()
        outcome = apply(
            tx,
            plan,
            providers=services.providers,
            endpoints=services.endpoints,
            actor=KeeperOfTheData(),
            replaces_keys=how.replaces_keys,
        )
        if how.is_dry_run:
            trial.rollback()
    return outcome


def read_text(file: Path) -> str:
    """Return the text of a file. Raises InvalidInput, which never repeats any of it."""
    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise InvalidInput(f"{file} is larger than {FILE_BYTES_MAX // 1024**2} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # `from None`: the error holds the content.
        raise InvalidInput(f"{file} is not text in UTF-8") from None


def parse_default_price(text: str) -> ModelPrice:
    """Return USD for a million tokens of input and output, written `0.5,1.5`, or one for both.

    Raises InvalidInput.
    """
    first, _, second = text.partition(",")
    try:
        input_nanos = parse_nanos(first.strip())
        output_nanos = parse_nanos((second or first).strip())
    except ValueError as error:
        raise InvalidInput(
            f"--default-price {error}", hint="write USD for a million tokens, like 0.5,1.5"
        ) from None
    if min(input_nanos, output_nanos) < 0:
        raise InvalidInput("--default-price is negative")
    return ModelPrice(HOST_CURRENCY, input_nanos, output_nanos, input_nanos)


def parse_keys(texts: Iterable[str]) -> dict[str, str]:
    """Return variables by channels, each written `CHANNEL=VARIABLE`. Raises InvalidInput."""
    found: dict[str, str] = {}
    for text in texts:
        channel, equals, variable = text.rpartition("=")
        if not equals or not channel or not variable:
            # Nothing of it is repeated: it may be a key that was given instead of its variable.
            raise InvalidInput(
                "--key is not of the form CHANNEL=VARIABLE",
                hint="name the environment variable that holds the key",
            )
        found[channel.strip()] = variable.strip()
    return found


def _carry_out(settings: Settings, plan: Plan, source: str, how: How) -> Report:
    folder = DataFolder(settings.data.resolve())
    with running_database(settings, "tradewind-import") as database:
        services = build_services(
            load_or_create_pepper(folder.secrets), load_or_create_key_encryption(folder.secrets)
        )
        with database.transaction() as tx:
            services.providers.check_keys(tx)
        outcome = carry_out(database, services, plan, how)
    return Report(source, how.is_dry_run, outcome, (*plan.findings, *outcome.findings))
