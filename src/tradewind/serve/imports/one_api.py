"""Channels of one-api and new-api: from the JSON of their admin API to a plan. Pure.

A channel is an account with one key or several; a model that several channels have becomes one
endpoint with several targets, in tiers by the channels' priority.

Sources: songquanpeng/one-api, `model/channel.go` and its README; QuantumNous/new-api,
`model/channel.go`; docs.newapi.pro, "Channel Management".
"""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple, cast

import msgspec

from tradewind.core.errors import InvalidInput
from tradewind.db.sealing import Secret
from tradewind.features.providers.rules import fill_in
from tradewind.features.providers.schemas import HostModel, KnownHost
from tradewind.serve.imports.accounts import Account, NotTaken, provider_of
from tradewind.serve.imports.addresses import is_same, with_path
from tradewind.serve.imports.channel_types import (
    AWS,
    AZURE,
    CLOUDFLARE,
    PLANS,
    TYPES,
    ChannelType,
)
from tradewind.serve.imports.findings import Findings
from tradewind.serve.imports.plan import Choices, Plan, PlannedConnection, shown
from tradewind.serve.imports.planner import Deployment, Planner
from tradewind.serve.imports.ratios import Ratios
from tradewind.serve.imports.safe_json import parse_json
from tradewind.snapshot.contents import Routing

CHANNELS_MAX = 2_000
MODELS_MAX = 1_000
"""Of one channel."""
KEYS_MAX = 50
"""Of one channel."""
_ENABLED = 1
_MAPPINGS_MAX = 10
# Channels of new-api made before 10 May 2025, and all of one-api's, call deployments of Azure by
# the model's name without its dots.
_DOTS_STAY_FROM_S = 1_746_835_200
_EFFORT = re.compile(r"(.+)-(?:minimal|low|medium|high|xhigh|max|none|thinking|nothinking)")
_CLAUDE = re.compile(r"claude-[a-z0-9.-]+")
_HEADER = "what is changed in its requests or answers is not taken"
_NOT_TAKEN = {
    "model_ratio": _HEADER,
    "param_override": _HEADER,
    "header_override": _HEADER,
    "status_code_mapping": _HEADER,
    "system_prompt": _HEADER,
    "setting": "its further settings are not taken",
    "settings": "its further settings are not taken",
}
_NOTHING = frozenset({"", "{}", "[]", "null"})


def read_channels(
    text: str,
    *,
    fork: str,
    environment: Mapping[str, str],
    keys: Mapping[str, str],
    ratios: Ratios | None,
    hosts: Mapping[str, KnownHost],
    choices: Choices,
) -> Plan:
    """Return what is to be made of channels. `fork` is `one-api` or `new-api`; `keys` are names of
    environment variables by a channel's name or id, for exports without keys.

    Raises InvalidInput for what is no such file; everything else is a finding.
    """
    channels = _channels(parse_json(text))
    if len(channels) > CHANNELS_MAX:
        raise InvalidInput(f"there are more than {CHANNELS_MAX} channels")
    reader = _Reader(
        fork, environment=environment, keys=keys, ratios=ratios, hosts=hosts, choices=choices
    )
    return reader.read(channels)


def _channels(document: object) -> list[dict[str, object]]:
    """Return the channels of any of the forms that the two answer with."""
    if isinstance(document, dict):
        document = cast("dict[str, object]", document).get("data")
    if isinstance(document, dict):
        document = cast("dict[str, object]", document).get("items")
    if not isinstance(document, list):
        raise InvalidInput(
            "the file has no list of channels", hint="save the answer of GET /api/channel/"
        )
    listed = cast("list[object]", document)
    return [cast("dict[str, object]", one) for one in listed if isinstance(one, dict)]


class _Key(NamedTuple):
    text: str
    source: str


class _Channel(NamedTuple):
    place: str
    name: str
    id: str
    kind: ChannelType
    members: Mapping[str, object]
    config: Mapping[str, object]

    def text(self, name: str) -> str:
        value = self.members.get(name)
        return value.strip() if isinstance(value, str) else ""


class _Reader:
    def __init__(
        self,
        fork: str,
        *,
        environment: Mapping[str, str],
        keys: Mapping[str, str],
        ratios: Ratios | None,
        hosts: Mapping[str, KnownHost],
        choices: Choices,
    ) -> None:
        self._fork = fork
        self._types = TYPES[fork]
        self._environment = environment
        self._keys = keys
        self._ratios = ratios
        self._hosts = hosts
        self._findings = Findings()
        self._planner = Planner(self._findings, choices)
        self._named: set[str] = set()

    def read(self, channels: Sequence[Mapping[str, object]]) -> Plan:
        for number, members in enumerate(channels):
            place = f"channel {shown(str(members.get('name') or number))}"
            try:
                self._take(self._channel(place, members))
            except NotTaken as refused:
                self._findings.left_out(place, refused.why, refused.instead)
        for name in self._keys.keys() - self._named:
            self._findings.left_out(
                f"--key {shown(name)}", "there is no channel of this name or id"
            )
        connections, endpoints = self._planner.finish(Routing())
        return Plan(connections, endpoints, self._findings.all())

    def _channel(self, place: str, members: Mapping[str, object]) -> _Channel:
        number, name, id_ = members.get("type"), members.get("name"), members.get("id")
        self._named |= {str(name), str(id_)}
        if members.get("status", _ENABLED) != _ENABLED:
            raise NotTaken("it is disabled", "enable it before you export, or add it by hand")
        kind = self._types.get(number) if isinstance(number, int) else None
        if kind is None:
            raise NotTaken(
                f"its type {shown(str(number))} is none of {self._fork}'s that are known here",
                "see whether the file is of the other one, or add the host by its address",
            )
        if kind.reason:
            raise NotTaken(f"{kind.name} is not taken: {kind.reason}", kind.instead)
        label = name if isinstance(name, str) and name.strip() else kind.name
        config = _object(members.get("config"))
        return _Channel(place, label, str(id_), kind, members, config)

    def _take(self, channel: _Channel) -> None:
        models = _models(channel)
        keys = self._keys_of(channel)
        connections: list[PlannedConnection] = []
        account: Account | None = None
        for key in keys:
            account = self._account(channel, key)
            connection = self._planner.connect(channel.place, account)
            if connection is not None and connection not in connections:
                connections.append(connection)
        if account is None or not connections:
            return
        self._tell_rest(channel)
        for model in models:
            try:
                self._deploy(channel, account.host, connections, model)
            except NotTaken as refused:
                place = f"{shown(model)} of {channel.place}"
                self._findings.left_out(place, refused.why, refused.instead)

    def _deploy(
        self,
        channel: _Channel,
        host: KnownHost | None,
        connections: Sequence[PlannedConnection],
        model: str,
    ) -> None:
        upstream = self._upstream(channel, host, model)
        priority = channel.members.get("priority")
        weight = channel.members.get("weight") if self._fork == "new-api" else None
        share = Fraction(weight if isinstance(weight, int) and weight > 0 else 1)
        place = f"{shown(model)} of {channel.place}"
        price = None
        if self._ratios is not None:
            found = self._ratios.price_of(model)
            if found is not None:
                price = found.price
                if not found.is_exact:
                    self._findings.note(
                        place, "its ratios were rounded to a thousand-millionth of a dollar"
                    )
        listed = host
        if listed is None and channel.kind.name == AZURE:
            listed = self._hosts["azure"]
        for connection in connections:
            self._planner.deploy(
                model,
                Deployment(
                    place=place,
                    connection=connection,
                    upstream_model=upstream,
                    listed_host=listed,
                    listed_model=model if channel.kind.name == AZURE else upstream,
                    price=price,
                    rank=(-priority if isinstance(priority, int) else 0,),
                    # Its keys share what the channel gets.
                    share=share / len(connections),
                ),
            )

    # --- models ----------------------------------------------------------------------------

    def _upstream(self, channel: _Channel, host: KnownHost | None, model: str) -> str:
        """Return what the host calls a model. Raises NotTaken."""
        names = _object(channel.members.get("model_mapping"))
        upstream = model
        # new-api follows a mapping on and on, one-api takes one step.
        for _ in range(_MAPPINGS_MAX if self._fork == "new-api" else 1):
            mapped = names.get(upstream)
            if not isinstance(mapped, str) or not mapped or mapped == upstream:
                break
            upstream = mapped
        if channel.kind.name == AZURE and not self._keeps_dots(channel):
            return upstream.replace(".", "")
        if channel.kind.name == AWS and host is not None:
            return _bedrock_name(host, upstream)
        if host is not None and host.model(upstream) is None:
            effort = _EFFORT.fullmatch(upstream)
            if effort is not None and host.model(effort[1]) is not None:
                raise NotTaken(
                    f"{self._fork} makes it of {effort[1]} and a way to reason",
                    "call that model, and send reasoning_effort",
                )
        return upstream

    def _keeps_dots(self, channel: _Channel) -> bool:
        created = channel.members.get("created_time")
        return self._fork == "new-api" and isinstance(created, int) and created >= _DOTS_STAY_FROM_S

    # --- accounts --------------------------------------------------------------------------

    def _keys_of(self, channel: _Channel) -> list[_Key | None]:
        """Return a channel's keys; one None for a program that wants none. Raises NotTaken."""
        variable = self._keys.get(channel.name) or self._keys.get(channel.id)
        text, source = channel.text("key"), "the file"
        if variable is not None:
            text = self._environment.get(variable, "").strip()
            source = f"the environment variable {variable}"
            if not text:
                raise NotTaken(
                    f"the environment variable {shown(variable)} is not set",
                    "set it and import again",
                )
        if not text:
            if not channel.kind.needs_key:
                return [None]
            raise NotTaken(
                "its key is not in the file: the API that lists channels hides keys",
                f"give --key '{shown(channel.name)}=NAME', the variable its key stands in",
            )
        keys = _split_keys(text)
        info = _object(channel.members.get("channel_info"))
        disabled = _object(info.get("multi_key_status_list"))
        live = [
            _Key(key, source)
            for number, key in enumerate(keys)
            if disabled.get(str(number), _ENABLED) == _ENABLED
        ]
        if len(live) < len(keys):
            self._findings.left_out(channel.place, "keys of it that are disabled are not taken")
        if not live:
            raise NotTaken("all of its keys are disabled", "enable one before you export")
        if len(live) > KEYS_MAX:
            self._findings.left_out(
                channel.place, f"only {KEYS_MAX} keys of a channel are taken", "split the channel"
            )
        return list(live[:KEYS_MAX])

    def _account(self, channel: _Channel, key: _Key | None) -> Account:
        match channel.kind.name:
            case name if name == AZURE:
                return self._azure(channel, key)
            case name if name == AWS:
                return self._aws(channel, key)
            case name if name == CLOUDFLARE:
                return self._cloudflare(channel, key)
            case _:
                return self._plain(channel, key)

    def _plain(self, channel: _Channel, key: _Key | None) -> Account:
        kind = channel.kind
        host = self._hosts.get(kind.host)
        given = channel.text("base_url").rstrip("/")
        given = PLANS.get(given, given) if self._fork == "new-api" else given
        credential = None if key is None else Secret(key.text)
        source = "" if key is None else key.source
        is_default = not given or is_same(given, kind.default or "")
        base_url = given if given in PLANS.values() else ""
        if not base_url and not (is_default and host is not None):
            address = kind.default if is_default else given
            if not address:
                raise NotTaken("it has no base_url", "say where it answers")
            if "{" in address:
                raise NotTaken("its address differs by model", "add the host by hand")
            address = address.removesuffix("/chat/completions").rstrip("/")
            base_url = with_path(address, kind.path)
        if host is not None and (not base_url or is_same(base_url, host.base_url)):
            options: dict[str, str] = {}
            organization = channel.text("openai_organization")
            if organization and host.id == "openai":
                options["organization"] = organization
            return Account(
                label=channel.name,
                provider=provider_of(host),
                base_url=host.base_url,
                host=host,
                options=options,
                credential=credential,
                credential_from=source,
            )
        provider = "openai_compatible"
        if host is not None and host.provider != "openai" and given not in PLANS.values():
            provider = provider_of(host)
        if kind.host == "minimax-cn":
            provider = "openai_compatible"
        return Account(
            label=channel.name,
            provider=provider,
            base_url=base_url,
            credential=credential,
            credential_from=source,
        )

    def _azure(self, channel: _Channel, key: _Key | None) -> Account:
        assert key is not None, "a channel of this type was refused without a key"
        base_url = channel.text("base_url").partition("/openai")[0].rstrip("/")
        if not base_url:
            raise NotTaken("it has no base_url", "say which resource of Azure it is")
        version = channel.config.get("api_version") or channel.text("other")
        return Account(
            label=channel.name,
            provider="azure_openai",
            base_url=base_url,
            host=self._hosts["azure"] if base_url.endswith(".openai.azure.com") else None,
            options={"api_version": version} if isinstance(version, str) and version else {},
            credential=Secret(key.text),
            credential_from=key.source,
        )

    def _aws(self, channel: _Channel, key: _Key | None) -> Account:
        """Keys are `access key|secret key|region`, or an API key of Bedrock with its region."""
        assert key is not None, "a channel of this type was refused without a key"
        parts = [part.strip() for part in key.text.split("|")]
        if len(parts) == 3:
            names = {"access_key_id": parts[0], "secret_access_key": parts[1]}
            credential = msgspec.json.encode(names).decode()
        elif len(parts) == 2:
            credential = parts[0]
        else:
            raise NotTaken(
                "its key is neither `access key|secret key|region` nor `API key|region`",
                "correct the channel's key",
            )
        host, options = self._hosts["amazon-bedrock"], {"region": parts[-1]}
        return Account(
            label=channel.name,
            provider=provider_of(host),
            base_url=fill_in(host.base_url, options),
            host=host,
            options=options,
            credential=Secret(credential),
            credential_from=key.source,
        )

    def _cloudflare(self, channel: _Channel, key: _Key | None) -> Account:
        assert key is not None, "a channel of this type was refused without a key"
        host = self._hosts[channel.kind.host]
        account = channel.config.get("user_id") or channel.text("other")
        if not isinstance(account, str) or not account:
            raise NotTaken("it says no account of Cloudflare", "say it in the channel")
        options = dict.fromkeys(host.variables, account)
        return Account(
            label=channel.name,
            provider=provider_of(host),
            base_url=fill_in(host.base_url, options),
            host=host,
            options=options,
            credential=Secret(key.text),
            credential_from=key.source,
        )

    # --- the rest --------------------------------------------------------------------------

    def _tell_rest(self, channel: _Channel) -> None:
        groups = [one.strip() for one in channel.text("group").split(",")]
        others = [group for group in groups if group and group != "default"]
        if others:
            self._findings.left_out(
                channel.place,
                f"its groups are not taken: {shown(', '.join(others))}",
                "let keys call the models they are for, by the models of a key",
            )
        for name, why in _NOT_TAKEN.items():
            value = channel.members.get(name)
            if value is None or (isinstance(value, str) and value.strip() in _NOTHING):
                continue
            if value:
                self._findings.left_out(f"{name} of {channel.place}", why)


def _models(channel: _Channel) -> list[str]:
    listed = channel.members.get("models")
    if isinstance(listed, str):
        listed = listed.split(",")
    parts = cast("list[object]", listed) if isinstance(listed, list) else []
    models = dict.fromkeys(part.strip() for part in parts if isinstance(part, str))
    models.pop("", None)
    if not models:
        raise NotTaken("it names no models", "name them in the channel")
    if len(models) > MODELS_MAX:
        raise NotTaken(f"it names more than {MODELS_MAX} models", "split the channel")
    return list(models)


def _split_keys(text: str) -> list[str]:
    """Return the keys of a channel: one a line, or an array of JSON."""
    if text.startswith("["):
        try:
            found = msgspec.json.decode(text, type=list[str])
        except msgspec.MsgspecError:
            raise NotTaken("its key begins like a list and is none", "correct it") from None
        lines = found
    else:
        lines = text.splitlines()
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _bedrock_name(host: KnownHost, model: str) -> str:
    """Return Bedrock's id of a model that is called by its maker's name. Raises NotTaken."""
    if host.model(model) is not None or "." in model.partition("claude")[0] or ":" in model:
        return model
    if _CLAUDE.fullmatch(model):
        found = [one for one in host.models if _is_version_of(one, model)]
        if len(found) == 1:
            return found[0].id
    raise NotTaken(
        "which model of Bedrock it is cannot be told", "say Bedrock's id in model_mapping"
    )


def _is_version_of(one: HostModel, model: str) -> bool:
    start = f"anthropic.{model}"
    return one.id == start or one.id.startswith((f"{start}-v", f"{start}:"))


def _object(value: object) -> Mapping[str, object]:
    """Return an object that stands in a file as it is, or as text; an empty one for neither."""
    if isinstance(value, str) and value.strip().startswith("{"):
        try:
            value = parse_json(value)
        except InvalidInput:
            return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
