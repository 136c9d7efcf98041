"""From deployments, each a model at an account, to connections and endpoints. Pure.

What all importers share: deployments that clients call by one name become targets of one endpoint,
orders become tiers, shares become weights, and what a file does not say of a model is taken from
the list of known hosts.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm

from tradewind.core.base_urls import parse_base_url
from tradewind.core.errors import InvalidInput
from tradewind.features.endpoints import rules
from tradewind.features.endpoints.hosted import HostedFacts, find_facts
from tradewind.features.endpoints.naming import name_of
from tradewind.features.endpoints.schemas import HostedModel, ModelPrice
from tradewind.features.providers.rules import NAME_MAX, clean_credential, clean_options
from tradewind.features.providers.schemas import HOST_CURRENCY, KnownHost
from tradewind.serve.imports.accounts import Account
from tradewind.serve.imports.addresses import is_private
from tradewind.serve.imports.findings import Findings
from tradewind.serve.imports.plan import (
    Choices,
    PlannedConnection,
    PlannedEndpoint,
    PlannedTarget,
    shown,
)
from tradewind.snapshot.contents import Limits, Operation, Routing

ENDPOINTS_MAX = 2_000
FREE = ModelPrice(HOST_CURRENCY, 0, 0, 0)
NO_LIMITS = Limits()

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?")
_PUBLISHER = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_NOT_OF_SLUGS = re.compile(r"[^a-z0-9._-]+")
_SLUG_MAX = 100
_UNKNOWN_PUBLISHER = "custom"
_OPERATION_OF_NAME = (
    (re.compile(r"rerank"), Operation.RERANK),
    (re.compile(r"embed|(?:^|[/-])(?:bge|e5|gte|m3e)-"), Operation.EMBEDDINGS),
    (re.compile(r"moderation"), Operation.MODERATIONS),
    (re.compile(r"whisper|transcribe"), Operation.TRANSCRIPTION),
    (re.compile(r"(?:^|[/-])tts"), Operation.SPEECH),
    (re.compile(r"dall-e|gpt-image|stable-diffusion|flux"), Operation.IMAGES),
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One place that answers for a name that clients call."""

    place: str
    """Where in the file, for findings."""
    connection: PlannedConnection
    upstream_model: str
    listed_host: KnownHost | None = None
    """Whose list tells what the file does not say."""
    listed_model: str = ""
    """The model's id in that list."""
    operation: Operation | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    cost: ModelPrice | None = None
    """What the host takes; None is what its list says."""
    price: ModelPrice | None = None
    """What callers pay; None is the cost."""
    rank: tuple[int, ...] = ()
    """Lower ones come first."""
    share: Fraction = Fraction(1)
    """Of the calls, among those of the same rank; positive."""
    limits: Limits = NO_LIMITS
    """Of the whole name: those of the first deployment count."""


class Planner:
    def __init__(self, findings: Findings, choices: Choices) -> None:
        self._findings = findings
        self._choices = choices
        self._connections: dict[tuple[object, ...], PlannedConnection] = {}
        self._names: set[str] = set()
        self._groups: dict[str, list[Deployment]] = {}
        self._aliases: dict[str, list[str]] = {}

    def connect(self, place: str, account: Account) -> PlannedConnection | None:
        """Return the connection of an account; the same one for the same account. None, and a
        finding, when it cannot be made.
        """
        try:
            url = parse_base_url(account.base_url)
            options = clean_options(account.options)
            if account.credential is not None:
                clean_credential(account.credential.reveal())
        except ValueError as error:
            self._findings.left_out(place, f"its base URL {error}", "write https://host/path")
            return None
        except InvalidInput as error:
            self._findings.left_out(place, error.message, error.hint or "")
            return None
        private = is_private(url, self._choices.private_hosts)
        if url.scheme != "https" and not private:
            self._findings.left_out(
                place,
                f"{url.host} is called without encryption",
                f"give it https://, or --private-host {url.host} if it is in your own network",
            )
            return None
        if private:
            self._findings.note(
                url.host, "counts as a host of your own network, and is called there"
            )
        credential = account.credential
        identity = (
            account.provider,
            None if account.host is None else account.host.id,
            url,
            tuple(sorted(options.items())),
            None if credential is None else credential.reveal(),
        )
        if identity not in self._connections:
            self._connections[identity] = PlannedConnection(
                name=self._free_name(account.label),
                host=None if account.host is None else account.host.id,
                provider=account.provider,
                base_url=account.base_url.rstrip("/"),
                options=options,
                credential=credential,
                credential_from=account.credential_from,
                is_private_network=private,
            )
        return self._connections[identity]

    def deploy(self, called: str, deployment: Deployment) -> None:
        """Have a place answer for what clients call `called`."""
        if called not in self._groups and len(self._groups) >= ENDPOINTS_MAX:
            self._findings.left_out(
                deployment.place, f"there are more than {ENDPOINTS_MAX} models", "split the file"
            )
            return
        self._groups.setdefault(called, []).append(deployment)

    def is_called(self, called: str) -> bool:
        return called in self._groups

    def alias(self, alias: str, called: str) -> None:
        """Have clients call an endpoint by another name too."""
        self._aliases.setdefault(called, []).append(alias)

    def finish(
        self, routing: Routing
    ) -> tuple[tuple[PlannedConnection, ...], tuple[PlannedEndpoint, ...]]:
        """Return the endpoints in the order of the file, and the connections they need."""
        names = _Names(self._groups)
        planned = (
            self._endpoint(called, group, names, routing) for called, group in self._groups.items()
        )
        endpoints = tuple(endpoint for endpoint in planned if endpoint is not None)
        used = {target.connection for endpoint in endpoints for target in endpoint.targets}
        connections = tuple(one for one in self._connections.values() if one.name in used)
        return connections, endpoints

    # --- one endpoint ----------------------------------------------------------------------

    def _endpoint(
        self, called: str, group: Sequence[Deployment], names: "_Names", routing: Routing
    ) -> PlannedEndpoint | None:
        described = [(deployment, self._facts(deployment)) for deployment in group]
        operation = _operation(*described[0])
        taken: list[Deployment] = []
        for deployment, facts in described:
            complete = self._complete(deployment, facts, operation)
            if complete is not None:
                taken.append(complete)
        merged = _merge_same_places(taken)
        for deployment in merged[rules.TARGETS_MAX :]:
            self._findings.left_out(
                deployment.place, f"an endpoint has {rules.TARGETS_MAX} targets at most"
            )
        merged = merged[: rules.TARGETS_MAX]
        if not merged:
            self._findings.left_out(
                shown(called), "no place is left that answers for it", "see what is said of each"
            )
            return None
        price = self._price(called, merged)
        name = names.name_for(called, described[0][0], described[0][1])
        return PlannedEndpoint(
            name=name,
            aliases=self._aliases_for(called, name),
            operation=operation,
            price=price,
            routing=routing,
            limits=described[0][0].limits,
            targets=_targets(merged),
        )

    def _facts(self, deployment: Deployment) -> HostedFacts | None:
        host, model_id = deployment.listed_host, deployment.listed_model
        listed = None if host is None else host.model(model_id)
        if listed is None or listed.operation is None:
            return None
        return find_facts(host, HostedModel(model_id))

    def _complete(
        self, deployment: Deployment, facts: HostedFacts | None, operation: Operation
    ) -> Deployment | None:
        """Return a deployment with all that is known of it, None and a finding if it cannot be."""
        own = _operation(deployment, facts)
        place = deployment.place
        if own is not operation:
            self._findings.left_out(
                place,
                f"it does {own.value}, and the first model of this name does {operation.value}",
                "give it a name of its own",
            )
            return None
        try:
            rules.check_upstream_model(deployment.upstream_model)
        except InvalidInput as error:
            self._findings.left_out(place, error.message)
            return None
        cost = deployment.cost or (None if facts is None else facts.cost)
        if facts is not None and deployment.cost is None:
            for note in facts.notes:
                self._findings.note(place, note)
        if cost is None and deployment.price is None:
            cost = self._choices.default_price
            if cost is None and deployment.connection.is_private_network:
                cost = FREE
                self._findings.note(
                    place, "nobody pays for it: no price is said of it", "set a price"
                )
            if cost is None:
                self._findings.left_out(
                    place,
                    "its price is not known, and without one nothing can be charged",
                    "say its price in the file, or give --default-price",
                )
                return None
        entry = None if facts is None else facts.entry
        return replace(
            deployment,
            cost=cost,
            context_tokens=deployment.context_tokens or (entry and entry.context_tokens),
            max_output_tokens=deployment.max_output_tokens or (entry and entry.max_output_tokens),
        )

    def _price(self, called: str, group: Sequence[Deployment]) -> ModelPrice:
        """Return what callers pay: the price of whatever comes first."""
        first = min(group, key=lambda deployment: deployment.rank)
        price = first.price or first.cost
        assert price is not None, "a deployment without a price was left out before"
        if any((other.price or other.cost) != price for other in group):
            self._findings.note(
                shown(called),
                "its places have different prices: callers pay that of the first",
                "set another price",
            )
        return price

    def _aliases_for(self, called: str, name: str) -> tuple[str, ...]:
        aliases: list[str] = []
        for alias in dict.fromkeys((called, *self._aliases.get(called, ()))):
            if alias == name:
                continue
            if alias != called and alias in self._groups:
                self._findings.note(shown(alias), "is a model of its own, so it is no alias")
            elif rules.is_name(alias):
                aliases.append(alias)
            else:
                self._findings.left_out(
                    shown(alias),
                    "a model cannot be called so here: ':' and '@' part a policy and a version"
                    " from a name, and there are no blanks",
                    f"call it {name}",
                )
        for alias in aliases[rules.ALIASES_MAX :]:
            self._findings.left_out(
                shown(alias), f"an endpoint has {rules.ALIASES_MAX} aliases at most"
            )
        return tuple(aliases[: rules.ALIASES_MAX])

    def _free_name(self, label: str) -> str:
        """Return a name for a connection that no other one has. The same file gives the same."""
        clean = "".join(character for character in label if character.isprintable()).strip()
        base = clean[: NAME_MAX - 5].strip() or "Imported"
        name, number = base, 1
        while name in self._names:
            number += 1
            name = f"{base} {number}"
        self._names.add(name)
        return name


class _Names:
    """Gives each endpoint its name, "publisher/slug"; no two the same."""

    def __init__(self, called: Iterable[str]) -> None:
        # What is called so already keeps its name, wherever it stands in the file.
        self._taken = {name for name in called if _is_full_name(name)}

    def name_for(self, called: str, first: Deployment, facts: HostedFacts | None) -> str:
        if _is_full_name(called):
            return called
        publisher = _publisher(first, facts)
        slug = _slug(called.rpartition("/")[2])
        candidates = [slug, _slug(called)]
        for candidate in candidates:
            if (name := f"{publisher}/{candidate}") not in self._taken:
                break
        else:
            number = 2
            while (name := f"{publisher}/{slug[: _SLUG_MAX - 5]}-{number}") in self._taken:
                number += 1
        self._taken.add(name)
        return name


def whole_weights(shares: Sequence[Fraction]) -> list[int]:
    """Return whole numbers in the same proportion, as small as they can be.

    Exact up to the largest weight an endpoint can hold; beyond it they are scaled down, and
    nothing that had a share loses it.
    """
    scale = lcm(*(share.denominator for share in shares))
    whole = [int(share * scale) for share in shares]
    common = gcd(*whole)
    whole = [weight // common for weight in whole]
    most = max(whole)
    if most > rules.WEIGHT_MAX:
        whole = [max(1, round(Fraction(weight * rules.WEIGHT_MAX, most))) for weight in whole]
    return whole


def _targets(group: Sequence[Deployment]) -> tuple[PlannedTarget, ...]:
    """Return the targets, in their tiers; in each tier the weights are in proportion."""
    ranks = sorted({deployment.rank for deployment in group})
    targets: list[PlannedTarget] = []
    for tier, rank in enumerate(ranks):
        here = [deployment for deployment in group if deployment.rank == rank]
        weights = whole_weights([deployment.share for deployment in here])
        targets += [
            PlannedTarget(
                connection=deployment.connection.name,
                upstream_model=deployment.upstream_model,
                tier=tier,
                weight=weight,
                context_tokens=deployment.context_tokens,
                max_output_tokens=deployment.max_output_tokens,
                cost=deployment.cost,
            )
            for deployment, weight in zip(here, weights, strict=True)
        ]
    return tuple(targets)


def _merge_same_places(group: Iterable[Deployment]) -> list[Deployment]:
    """Return each place once: who stands twice in a file gets twice the calls."""
    places: dict[tuple[str, str], Deployment] = {}
    for deployment in group:
        key = (deployment.connection.name, deployment.upstream_model)
        former = places.get(key)
        if former is None or deployment.rank < former.rank:
            places[key] = deployment
        elif deployment.rank == former.rank:
            places[key] = replace(former, share=former.share + deployment.share)
    return list(places.values())


def _operation(deployment: Deployment, facts: HostedFacts | None) -> Operation:
    if deployment.operation is not None:
        return deployment.operation
    if facts is not None:
        return facts.entry.operation
    name = (deployment.listed_model or deployment.upstream_model).lower()
    return next(
        (operation for words, operation in _OPERATION_OF_NAME if words.search(name)),
        Operation.CHAT,
    )


def _publisher(deployment: Deployment, facts: HostedFacts | None) -> str:
    if facts is not None:
        return facts.entry.publisher
    host = deployment.listed_host
    model = deployment.listed_model or deployment.upstream_model
    found = name_of(
        model,
        host=_UNKNOWN_PUBLISHER if host is None else host.id,
        family=model.rpartition("/")[2],
    ).partition("/")[0]
    return found if _PUBLISHER.fullmatch(found) else _UNKNOWN_PUBLISHER


def _is_full_name(text: str) -> bool:
    publisher, _, slug = text.partition("/")
    return bool(_PUBLISHER.fullmatch(publisher) and _SLUG.fullmatch(slug))


def _slug(text: str) -> str:
    clean = _NOT_OF_SLUGS.sub("-", text.lower())[:_SLUG_MAX].strip("._-")
    return clean or "model"
