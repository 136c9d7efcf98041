"""LiteLLM's `config.yaml`: from its text to a plan. Pure.

Several entries of one `model_name` become targets of one endpoint, which clients go on calling by
that name. Nothing that the file says is an error: what is not taken is told.

Sources: docs.litellm.ai, "Config.yaml" (proxy/configs), "All settings" (proxy/config_settings),
"Router - Load Balancing" (routing), "Custom LLM Pricing" (proxy/custom_pricing) and "Wildcard
Routing".
"""

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple, cast

from tradewind.core.errors import InvalidInput
from tradewind.features.endpoints.rules import ATTEMPTS_MAX, NUMBER_MAX
from tradewind.features.endpoints.schemas import ModelPrice
from tradewind.features.providers.schemas import HOST_CURRENCY, HostModel, KnownHost
from tradewind.serve.imports.accounts import NotTaken
from tradewind.serve.imports.exact import Nanos, decimal_of, of_token_price
from tradewind.serve.imports.findings import Findings
from tradewind.serve.imports.litellm_hosts import Located, locate, prefixes
from tradewind.serve.imports.litellm_sections import tell_sections
from tradewind.serve.imports.litellm_values import Parameters, items, mapping
from tradewind.serve.imports.plan import Choices, Plan, shown
from tradewind.serve.imports.planner import NO_LIMITS, Deployment, Planner
from tradewind.serve.imports.safe_yaml import parse_yaml
from tradewind.snapshot.contents import Limits, Operation, Routing

ENTRIES_MAX = 5_000
_NAME_MAX = 200

_OPERATIONS = {
    "chat": Operation.CHAT,
    "responses": Operation.CHAT,
    "completion": Operation.COMPLETIONS,
    "embedding": Operation.EMBEDDINGS,
    "rerank": Operation.RERANK,
    "moderation": Operation.MODERATIONS,
    "moderations": Operation.MODERATIONS,
    "image_generation": Operation.IMAGES,
    "audio_transcription": Operation.TRANSCRIPTION,
    "audio_speech": Operation.SPEECH,
}
_SORTS = {
    "simple-shuffle": "load",
    "least-busy": "load",
    "latency-based-routing": "latency",
    "cost-based-routing": "price",
}
# Hosts whose models are called by their bare names.
_BARE = ("openai", "anthropic", "cohere")
_BARE_PREFIXES = {"openai": "openai", "anthropic": "anthropic", "cohere": "cohere_chat"}
_BEDROCK_PLACES = frozenset({"us", "eu", "apac", "jp", "au", "ca"})
_RATES = frozenset({"rpm", "tpm", "max_parallel_requests", "weight", "order"})
_PRICES = frozenset(
    {
        "input_cost_per_token",
        "output_cost_per_token",
        "cache_read_input_token_cost",
        "cache_creation_input_token_cost",
    }
)
_INFO_TAKEN = _PRICES | {
    "mode",
    "base_model",
    "max_tokens",
    "max_input_tokens",
    "max_output_tokens",
}
_INFO_NEEDLESS = frozenset({"id", "db_model", "version", "litellm_provider", "description"})
_REQUEST_DEFAULTS = "what is sent with every call is not taken from here"


def read_litellm(
    text: str,
    *,
    environment: Mapping[str, str],
    hosts: Mapping[str, KnownHost],
    choices: Choices,
) -> Plan:
    """Return what is to be made of a configuration. `hosts` are the known ones.

    Raises InvalidInput for what is no such file; everything else is a finding.
    """
    document = parse_yaml(text)
    if not isinstance(document, dict) or not document:
        raise InvalidInput(
            "the file is no configuration of LiteLLM", hint="give the config.yaml with model_list"
        )
    return _Reader(cast("dict[str, object]", document), environment, hosts, choices).read()


class _Entry(NamedTuple):
    """One deployment of the model list."""

    place: str
    called: str
    model: str
    """As `litellm_params.model` has it, prefix and all."""
    parameters: Parameters
    info: Mapping[str, object]


class _Reader:
    def __init__(
        self,
        document: dict[str, object],
        environment: Mapping[str, str],
        hosts: Mapping[str, KnownHost],
        choices: Choices,
    ) -> None:
        self._document = document
        # As LiteLLM does, the file's own variables go before those of the machine.
        said = mapping(document.get("environment_variables"))
        self._environment = {
            **environment,
            **{name: value for name, value in said.items() if isinstance(value, str)},
        }
        self._hosts = hosts
        self._choices = choices
        self._findings = Findings()
        self._planner = Planner(self._findings, choices)
        self._router = mapping(document.get("router_settings"))
        self._credentials = self._read_credentials()
        self._entries_of: Counter[str] = Counter()

    def read(self) -> Plan:
        routing = self._routing()
        entries = self._entries()
        self._entries_of = Counter(entry.called for entry in entries)
        shares = self._shares(entries)
        wildcards: list[_Entry] = []
        for entry, share in zip(entries, shares, strict=True):
            if "*" in entry.model or "*" in entry.called:
                wildcards.append(entry)
                continue
            self._take(entry, share)
        for entry in wildcards:
            self._take_wildcard(entry)
        self._read_aliases()
        tell_sections(self._document, self._findings)
        connections, endpoints = self._planner.finish(routing)
        return Plan(connections, endpoints, self._findings.all())

    # --- entries ---------------------------------------------------------------------------

    def _entries(self) -> list[_Entry]:
        listed = items(self._document.get("model_list"))
        if len(listed) > ENTRIES_MAX:
            raise InvalidInput(f"model_list has more than {ENTRIES_MAX} entries")
        if not listed:
            self._findings.left_out("model_list", "there are no models in this file")
        found = (self._entry(number, mapping(one)) for number, one in enumerate(listed))
        return [entry for entry in found if entry is not None]

    def _entry(self, number: int, members: Mapping[str, object]) -> _Entry | None:
        place = f"model_list[{number}]"
        called, parameters = members.get("model_name"), mapping(members.get("litellm_params"))
        model = parameters.get("model")
        if not isinstance(called, str) or not isinstance(model, str) or not called or not model:
            self._findings.left_out(place, "it has no model_name or no litellm_params.model")
            return None
        place = f"{shown(called)} ({place})"
        if len(called) > _NAME_MAX or len(model) > _NAME_MAX:
            self._findings.left_out(place, f"its name is longer than {_NAME_MAX} characters")
            return None
        for member in members:
            if member not in {"model_name", "litellm_params", "model_info", *_RATES}:
                self._unknown(shown(member))
        named = parameters.get("litellm_credential_name")
        if isinstance(named, str):
            if named not in self._credentials:
                self._findings.left_out(
                    place, "credential_list has no credential of its litellm_credential_name"
                )
                return None
            parameters = {**self._credentials[named], **parameters}
        # Older files have the rates beside litellm_params.
        rates = {name: members[name] for name in _RATES if name in members}
        values = Parameters({**rates, **parameters}, self._environment)
        for name in ("model", "litellm_credential_name", "custom_llm_provider"):
            values.member(name)
        return _Entry(place, called, model, values, mapping(members.get("model_info")))

    def _read_credentials(self) -> dict[str, Mapping[str, object]]:
        found: dict[str, Mapping[str, object]] = {}
        for one in items(self._document.get("credential_list")):
            name = mapping(one).get("credential_name")
            if isinstance(name, str):
                found[name] = mapping(mapping(one).get("credential_values"))
        return found

    def _take(self, entry: _Entry, share: "_Share") -> None:
        try:
            located, host, listed_model = self._locate(entry)
            deployment_limits = self._limits(entry)
            operation = located.operation or self._operation(entry)
            cost = self._cost(entry, host, listed_model)
        except NotTaken as refused:
            self._findings.left_out(entry.place, refused.why, refused.instead)
            return
        connection = self._planner.connect(entry.place, located.account)
        if connection is None:
            return
        self._tell_rest(entry)
        info = entry.info
        self._planner.deploy(
            entry.called,
            Deployment(
                place=entry.place,
                connection=connection,
                upstream_model=located.model,
                listed_host=host,
                listed_model=listed_model,
                operation=operation,
                context_tokens=_count(info.get("max_input_tokens")),
                max_output_tokens=(
                    _count(info.get("max_output_tokens")) or _count(info.get("max_tokens"))
                ),
                cost=cost,
                rank=share.rank,
                share=share.share,
                limits=deployment_limits,
            ),
        )

    def _locate(self, entry: _Entry) -> tuple[Located, KnownHost | None, str]:
        """Return where an entry is answered, and whose list describes it. Raises NotTaken."""
        prefix, model = self._split(entry)
        located = locate(prefix, model, entry.parameters, self._hosts)
        if items(entry.parameters.member("organization")):
            raise NotTaken("it is for several organizations", "write an entry for each of them")
        base_model = entry.info.get("base_model")
        if isinstance(base_model, str) and base_model:
            first, slash, rest = base_model.partition("/")
            host = located.account.host or self._hosts["openai"]
            if slash and first in prefixes() and host.model(base_model) is None:
                host = self._host_of(first) or host
                base_model = rest
            return located, host, base_model
        host, model = located.account.host, located.model
        if host is not None and host.id == "amazon-bedrock" and host.model(model) is None:
            # A profile of several regions costs what its model costs in the one that is called.
            place, _, rest = model.partition(".")
            model = rest if place in _BEDROCK_PLACES else model
        return located, host, model

    def _host_of(self, prefix: str) -> KnownHost | None:
        known = {"azure": "azure", "gemini": "google", "bedrock": "amazon-bedrock"}
        name = known.get(prefix, prefix)
        return self._hosts.get(name) or self._hosts.get(name.replace("_", "-"))

    def _split(self, entry: _Entry) -> tuple[str, str]:
        """Return provider and model of `provider/model`; a bare name is OpenAI's, or whose list
        has it.
        """
        asked = entry.parameters.member("custom_llm_provider")
        prefix, slash, model = entry.model.partition("/")
        if isinstance(asked, str) and asked:
            return asked, model if slash and prefix == asked else entry.model
        if slash:
            return prefix, model
        for host_id in _BARE:
            if self._hosts[host_id].model(entry.model) is not None:
                return _BARE_PREFIXES[host_id], entry.model
        return "openai", entry.model

    # --- what an entry says ----------------------------------------------------------------

    def _operation(self, entry: _Entry) -> Operation | None:
        mode = entry.info.get("mode")
        if mode is None:
            return None
        operation = _OPERATIONS.get(mode) if isinstance(mode, str) else None
        if operation is None:
            raise NotTaken(f"the mode {shown(str(mode))} is not served here")
        return operation

    def _limits(self, entry: _Entry) -> Limits:
        limits = Limits(
            requests_per_minute=_count(entry.parameters.member("rpm")),
            tokens_per_minute=_count(entry.parameters.member("tpm")),
            concurrent_requests=_count(entry.parameters.member("max_parallel_requests")),
        )
        if limits == NO_LIMITS or self._entries_of[entry.called] == 1:
            return limits
        self._findings.left_out(
            f"limits of {shown(entry.called)}",
            "limits of single places are not taken, for here a limit is of the whole model",
            "set limits of the endpoint; a host that answers 429 rests by itself",
        )
        return NO_LIMITS

    def _cost(self, entry: _Entry, host: KnownHost | None, listed_model: str) -> ModelPrice | None:
        """Return what the file says that the host takes, exact. Raises NotTaken for no number."""
        said: dict[str, int] = {}
        for name in _PRICES:
            value = entry.info.get(name)
            if value is None:
                value = entry.parameters.member(name)
            if value is not None:
                said[name] = self._nanos(entry, name, value)
        for name in (*entry.info, *entry.parameters.members):
            if "_cost_per_" in name and name not in _PRICES:
                self._findings.left_out(
                    f"{shown(name)} of {shown(entry.called)}",
                    "only prices of tokens are taken",
                    "set a price for its other meters",
                )
        if not {"input_cost_per_token", "output_cost_per_token"} & said.keys():
            return None
        listed = None if host is None else host.model(listed_model)
        known = None if listed is None else listed.price
        input_nanos = said.get("input_cost_per_token")
        output_nanos = said.get("output_cost_per_token")
        if input_nanos is None:
            input_nanos = known.input_nanos if known is not None else 0
        if output_nanos is None:
            output_nanos = known.output_nanos if known is not None else 0
        return ModelPrice(
            HOST_CURRENCY,
            input_nanos,
            output_nanos,
            said.get("cache_read_input_token_cost", input_nanos),
            said.get("cache_creation_input_token_cost"),
        )

    def _nanos(self, entry: _Entry, name: str, value: object) -> int:
        number = decimal_of(value)
        nanos: Nanos | None = None if number is None else of_token_price(number)
        if nanos is None:
            raise NotTaken(f"its {name} is no price of a token", "write it in USD, like 1.5e-07")
        if not nanos.is_exact:
            self._findings.note(
                f"{name} of {shown(entry.called)}",
                "was rounded to a thousand-millionth of a dollar for a million tokens",
            )
        return nanos.value

    def _tell_rest(self, entry: _Entry) -> None:
        """Tell what an entry says that nobody asked for."""
        parameters = entry.parameters
        for name in parameters.members:
            if name in parameters.asked or name in _PRICES or name in _RATES:
                continue
            if "_cost_per_" in name:
                continue
            self._findings.left_out(
                f"litellm_params.{shown(name)}", _REQUEST_DEFAULTS, "send it with the calls"
            )
        for name in entry.info:
            if name in _INFO_TAKEN or "_cost_per_" in name:
                continue
            if name in _INFO_NEEDLESS or name.startswith("supports_"):
                self._findings.note(f"model_info.{shown(name)}", "is not needed here")
            else:
                self._unknown(f"model_info.{shown(name)}")

    def _unknown(self, place: str) -> None:
        self._findings.left_out(place, "this member is not known to this release")

    # --- routing ---------------------------------------------------------------------------

    def _routing(self) -> Routing:
        strategy = self._router.get("routing_strategy")
        sort = _SORTS.get(strategy) if isinstance(strategy, str) else None
        if strategy is not None and sort is None:
            self._findings.left_out(
                "router_settings.routing_strategy",
                f"{shown(str(strategy))} is not taken: calls go to whoever has the fewest for its"
                " weight",
                "set another sort of the endpoints; a host that answers 429 rests by itself",
            )
        attempts = Routing().max_attempts
        library = mapping(self._document.get("litellm_settings"))
        retries = self._router.get("num_retries", library.get("num_retries"))
        if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0:
            attempts = min(retries + 1, ATTEMPTS_MAX)
        return Routing(sort=sort or "load", max_attempts=attempts)

    def _shares(self, entries: list[_Entry]) -> list["_Share"]:
        """Return in which order and how often each entry is picked among those of its name.

        LiteLLM picks by `weight`, else by `rpm`, else by `tpm`, whichever the entries of a name
        have; one without it, where others have it, is never picked while those are well.
        """
        by_rate = self._router.get("routing_strategy", "simple-shuffle") == "simple-shuffle"
        groups: dict[str, list[_Entry]] = {}
        for entry in entries:
            groups.setdefault(entry.called, []).append(entry)
        measures = {
            called: next(
                (
                    name
                    for name in (("weight", "rpm", "tpm") if by_rate else ())
                    if any(decimal_of(one.parameters.member(name)) for one in group)
                ),
                None,
            )
            for called, group in groups.items()
        }
        return [_share(entry, measures[entry.called]) for entry in entries]

    def _read_aliases(self) -> None:
        for alias, meant in mapping(self._router.get("model_group_alias")).items():
            called = meant if isinstance(meant, str) else mapping(meant).get("model")
            if isinstance(called, str) and self._planner.is_called(called):
                self._planner.alias(alias, called)
            else:
                self._findings.left_out(
                    f"model_group_alias {shown(alias)}", "the model it means is not here"
                )

    # --- wildcards -------------------------------------------------------------------------

    def _take_wildcard(self, entry: _Entry) -> None:
        """Take `provider/*`: all models of a known host, if that was asked for."""
        prefix, slash, rest = entry.model.partition("/")
        if not slash or rest != "*" or entry.called.count("*") != 1:
            self._findings.left_out(
                entry.place, "it stands for models of any host", "name the models you want"
            )
            return
        if not self._choices.with_wildcards:
            self._findings.left_out(
                entry.place,
                "it stands for all models of a host",
                "import with --wildcards to take all that are known, or name those you want",
            )
            return
        try:
            account = locate(prefix, "*", entry.parameters, self._hosts).account
        except NotTaken as refused:
            self._findings.left_out(entry.place, refused.why, refused.instead)
            return
        host = account.host
        if host is None:
            self._findings.left_out(
                entry.place, "the models of this host are not known", "name the models you want"
            )
            return
        connection = self._planner.connect(entry.place, account)
        if connection is None:
            return
        self._tell_rest(entry)
        for model in host.models:
            called = entry.called.replace("*", model.id)
            if self._planner.is_called(called) or not self._is_taken(entry, model):
                continue
            self._planner.deploy(
                called,
                Deployment(
                    place=f"{shown(called)} ({entry.place})",
                    connection=connection,
                    upstream_model=model.id,
                    listed_host=host,
                    listed_model=model.id,
                ),
            )

    def _is_taken(self, entry: _Entry, model: HostModel) -> bool:
        if model.operation is None or (model.price is None and self._choices.default_price is None):
            self._findings.note(
                entry.place,
                "models that are not served here, or without a known price, are skipped",
            )
            return False
        return True


class _Share(NamedTuple):
    rank: tuple[int, ...]
    share: Fraction


_LAST = NUMBER_MAX


def _share(entry: _Entry, measure: str | None) -> _Share:
    order = entry.parameters.member("order")
    first = order if isinstance(order, int) and not isinstance(order, bool) else _LAST
    number = None if measure is None else decimal_of(entry.parameters.member(measure))
    is_spare = measure is not None and not number
    return _Share((first, int(is_spare)), Fraction(number) if number else Fraction(1))


def _count(value: object) -> int | None:
    """Return a positive whole number that the columns hold, None for anything else."""
    number = decimal_of(value)
    if number is None or number != number.to_integral_value():
        return None
    return int(number) if 1 <= number <= NUMBER_MAX else None
