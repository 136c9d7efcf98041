"""Where LiteLLM's `provider/model` is answered: its prefixes, and the hosts they mean here.

Sources: docs.litellm.ai, "Providers" and its pages "OpenAI", "Azure OpenAI", "Azure AI Studio",
"Anthropic", "AWS Bedrock", "Ollama", "VLLM" and "OpenAI-Compatible Endpoints".
"""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple
from urllib.parse import parse_qs

import msgspec

from tradewind.core.base_urls import parse_base_url
from tradewind.db.sealing import Secret
from tradewind.features.providers.rules import fill_in
from tradewind.features.providers.schemas import KnownHost
from tradewind.serve.imports.accounts import Account, NotTaken, provider_of
from tradewind.serve.imports.addresses import is_private, is_same, with_path
from tradewind.serve.imports.litellm_values import Parameters, Value
from tradewind.serve.imports.plan import shown
from tradewind.snapshot.contents import Operation


class Base(Enum):
    """How an `api_base` is written."""

    AS_IS = auto()
    """In front of `/chat/completions`."""
    V1 = auto()
    """In front of `/v1`."""
    NONE = auto()
    """In a way that only LiteLLM knows."""


class Prefix(NamedTuple):
    host: str = ""
    """Id of a known host; empty for programs that run anywhere."""
    keys: tuple[str, ...] = ()
    """Variables in which LiteLLM looks for the key when the file does not say it."""
    base: Base = Base.AS_IS
    bases: tuple[str, ...] = ()
    """Variables in which it looks for the address."""
    default: str = ""
    """The address when nothing says it."""


class Located(NamedTuple):
    """A deployment's account, and the model there."""

    account: Account
    model: str
    operation: Operation | None = None
    """What the prefix says that the model does."""


_PREFIXES = {
    "openai": Prefix("openai", ("OPENAI_API_KEY",)),
    "text-completion-openai": Prefix("openai", ("OPENAI_API_KEY",)),
    "anthropic": Prefix("anthropic", ("ANTHROPIC_API_KEY",), Base.V1),
    "gemini": Prefix("google", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), Base.NONE),
    "mistral": Prefix("mistral", ("MISTRAL_API_KEY",)),
    "cohere": Prefix("cohere", ("COHERE_API_KEY", "CO_API_KEY"), Base.NONE),
    "cohere_chat": Prefix("cohere", ("COHERE_API_KEY", "CO_API_KEY"), Base.NONE),
    "groq": Prefix("groq", ("GROQ_API_KEY",)),
    "together_ai": Prefix(
        "togetherai", ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY")
    ),
    "openrouter": Prefix("openrouter", ("OPENROUTER_API_KEY", "OR_API_KEY")),
    "xai": Prefix("xai", ("XAI_API_KEY",)),
    "deepseek": Prefix("deepseek", ("DEEPSEEK_API_KEY",)),
    "fireworks_ai": Prefix("fireworks-ai", ("FIREWORKS_AI_API_KEY", "FIREWORKS_API_KEY")),
    "perplexity": Prefix("perplexity", ("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY")),
    "cerebras": Prefix("cerebras", ("CEREBRAS_API_KEY",)),
    "deepinfra": Prefix("deepinfra", ("DEEPINFRA_API_KEY",)),
    "nvidia_nim": Prefix("nvidia", ("NVIDIA_NIM_API_KEY", "NVIDIA_API_KEY")),
    "moonshot": Prefix("moonshotai", ("MOONSHOT_API_KEY",)),
    "dashscope": Prefix("alibaba", ("DASHSCOPE_API_KEY",)),
    "zai": Prefix("zai", ("ZAI_API_KEY",)),
    "novita": Prefix("novita-ai", ("NOVITA_API_KEY",)),
    "nebius": Prefix("nebius", ("NEBIUS_API_KEY",)),
    "friendliai": Prefix("friendli", ("FRIENDLI_TOKEN", "FRIENDLI_API_KEY")),
    "meta_llama": Prefix("llama", ("LLAMA_API_KEY",)),
    "vercel_ai_gateway": Prefix(
        "vercel", ("VERCEL_AI_GATEWAY_API_KEY", "AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN")
    ),
    "wandb": Prefix("wandb", ("WANDB_API_KEY",)),
    "ovhcloud": Prefix("ovhcloud", ("OVHCLOUD_API_KEY",)),
    "ollama": Prefix(base=Base.V1, bases=("OLLAMA_API_BASE",), default="http://localhost:11434/v1"),
    "ollama_chat": Prefix(
        base=Base.V1, bases=("OLLAMA_API_BASE",), default="http://localhost:11434/v1"
    ),
    "hosted_vllm": Prefix(keys=("HOSTED_VLLM_API_KEY",), bases=("HOSTED_VLLM_API_BASE",)),
    "vllm": Prefix(),
    "lm_studio": Prefix(keys=("LM_STUDIO_API_KEY",), bases=("LM_STUDIO_API_BASE",)),
    "llamafile": Prefix(bases=("LLAMAFILE_API_BASE",), default="http://127.0.0.1:8080/v1"),
    "xinference": Prefix(
        keys=("XINFERENCE_API_KEY",),
        bases=("XINFERENCE_API_BASE",),
        default="http://127.0.0.1:9997/v1",
    ),
    "litellm_proxy": Prefix(keys=("LITELLM_PROXY_API_KEY",), bases=("LITELLM_PROXY_API_BASE",)),
    "openai_like": Prefix(keys=("OPENAI_LIKE_API_KEY",), bases=("OPENAI_LIKE_API_BASE",)),
    "custom_openai": Prefix(),
    "huggingface": Prefix(base=Base.V1),
}
# Parts of a model's name that choose among LiteLLM's own ways to call a host.
_WAYS = (
    "responses/",
    "chat/",
    "o_series/",
    "gpt5_series/",
    "converse/",
    "converse_like/",
    "invoke/",
)
# What is written where a program wants no key and LiteLLM wants one.
_NO_KEYS = frozenset(
    {"", "-", "none", "null", "empty", "dummy", "fake", "fake-key", "no-key", "no-key-required"}
    | {"not-needed", "not-required", "sk-no-key-required", "token", "anything"}
)
_REGION = re.compile(r"[a-z]{2}(?:-[a-z0-9]+)+-[0-9]")
_AZURE_HOSTS = {
    ".openai.azure.com": "azure",
    ".cognitiveservices.azure.com": "azure-cognitive-services",
}
_AWS = ("bedrock", "bedrock_converse")
_VERTEX = ("vertex_ai", "vertex_ai_beta")
_AWS_SIGN_IN = ("aws_role_name", "aws_profile_name", "aws_web_identity_token", "aws_session_name")


def prefixes() -> frozenset[str]:
    return frozenset(_PREFIXES) | {"azure", "azure_text", "azure_ai", *_AWS, *_VERTEX}


def locate(
    prefix: str, model: str, parameters: Parameters, hosts: Mapping[str, KnownHost]
) -> Located:
    """Return where a model is answered. Raises NotTaken."""
    for way in _WAYS:
        model = model.removeprefix(way)
    match prefix:
        case "azure" | "azure_text":
            return Located(_azure(parameters, hosts), model)
        case "azure_ai":
            return Located(_azure_inference(parameters), model)
        case "bedrock" | "bedrock_converse":
            return _bedrock(model, parameters, hosts)
        case "vertex_ai" | "vertex_ai_beta":
            return Located(_vertex(parameters, hosts), model)
        case _:
            entry = _PREFIXES.get(prefix) or _by_name_of_host(prefix, hosts)
    host = hosts.get(entry.host)
    if host is not None:
        provider_of(host)
    operation = Operation.COMPLETIONS if prefix == "text-completion-openai" else None
    return Located(_plain(prefix, entry, host, parameters), model, operation)


def _by_name_of_host(prefix: str, hosts: Mapping[str, KnownHost]) -> Prefix:
    for host_id in (prefix, prefix.replace("_", "-")):
        host = hosts.get(host_id)
        if host is not None and host.base_url and not host.variables:
            return Prefix(host.id, host.environment)
    raise NotTaken(
        f"the provider {shown(prefix)} is not known here",
        "add it by its OpenAI-compatible address, if it has one",
    )


def _plain(prefix: str, entry: Prefix, host: KnownHost | None, parameters: Parameters) -> Account:
    """Return the account at a host that is opened by one key."""
    given = parameters.value("api_base") or parameters.value("base_url")
    if given is None:
        given = parameters.default(*entry.bases)
    key = _key(parameters)
    if given is None and host is not None:
        return _at_home(host, entry, key, parameters)
    if given is None and not entry.default:
        raise NotTaken(f"no api_base says where {shown(prefix)} answers", "say api_base")
    if given is not None and entry.base is Base.NONE:
        assert host is not None, "a host of one's own has an address of one's own"
        if not is_same(given.text, host.base_url):
            raise NotTaken(
                f"an api_base of {prefix} is written in a way that only LiteLLM knows",
                "add the host by hand, by its base URL",
            )
        return _at_home(host, entry, key, parameters)
    base_url = entry.default
    if given is not None:
        base_url = given.text.rstrip("/")
        base_url = base_url.removesuffix("/chat/completions").removesuffix("/messages")
        base_url = with_path(base_url, "/v1") if entry.base is Base.V1 else base_url
    if host is not None and is_same(base_url, host.base_url):
        return _at_home(host, entry, key, parameters)
    if key is None and host is None:
        key = parameters.default(*entry.keys)
    # A key of OpenAI's is not sent to whoever speaks its API, as LiteLLM does: the address may be
    # anybody's.
    provider = "openai_compatible"
    if host is not None and host.provider != "openai":
        provider = provider_of(host)
    return Account(
        label=_with_source(_host_name(base_url), key, entry.keys),
        provider=provider,
        base_url=base_url,
        credential=None if key is None else Secret(key.text),
        credential_from="" if key is None else key.source,
    )


def _at_home(host: KnownHost, entry: Prefix, key: Value | None, parameters: Parameters) -> Account:
    key = key or parameters.default(*entry.keys)
    if key is None:
        variables = " or ".join(entry.keys[:2])
        raise NotTaken(
            f"there is no key: no api_key, and the environment has no {variables}",
            "set the variable and import again",
        )
    options: dict[str, str] = {}
    organization = parameters.text("organization")
    if organization is not None and host.id == "openai":
        options["organization"] = organization
    return Account(
        label=_with_source(host.name, key, entry.keys),
        provider=provider_of(host),
        base_url=host.base_url,
        host=host,
        options=options,
        credential=Secret(key.text),
        credential_from=key.source,
    )


def _azure(parameters: Parameters, hosts: Mapping[str, KnownHost]) -> Account:
    base = parameters.value("api_base") or parameters.default("AZURE_API_BASE")
    if base is None:
        raise NotTaken("no api_base says which resource of Azure it is", "say api_base")
    base_url, _, query = base.text.partition("?")
    # The whole address of a deployment is taken too; its name stands in `model`.
    base_url = base_url.partition("/openai/deployments/")[0].rstrip("/")
    version = parameters.value("api_version") or parameters.default("AZURE_API_VERSION")
    asked = parse_qs(query).get("api-version", [""])[0]
    text = version.text if version is not None else asked
    key = _key(parameters)
    if key is None and parameters.member("azure_ad_token") is None:
        key = parameters.default("AZURE_API_KEY")
    if key is None:
        raise NotTaken(
            "there is no key: no api_key, and the environment has no AZURE_API_KEY"
            " (tokens of Microsoft Entra ID live an hour, so they are not taken)",
            "set the variable and import again",
        )
    name = _host_name(base_url)
    host_id = next((id_ for end, id_ in _AZURE_HOSTS.items() if name.endswith(end)), None)
    return Account(
        label=_with_source(f"Azure {name.partition('.')[0]}", key, ("AZURE_API_KEY",)),
        provider="azure_openai",
        base_url=base_url,
        host=hosts.get(host_id) if host_id is not None else None,
        options={"api_version": text} if text else {},
        credential=Secret(key.text),
        credential_from=key.source,
    )


def _azure_inference(parameters: Parameters) -> Account:
    variables = ("AZURE_AI_API_KEY",)
    base = parameters.value("api_base") or parameters.default("AZURE_AI_API_BASE")
    key = _key(parameters) or parameters.default(*variables)
    if base is None or key is None:
        raise NotTaken(
            "api_base or api_key is not there, nor AZURE_AI_API_BASE and AZURE_AI_API_KEY",
            "set the variables and import again",
        )
    base_url = base.text.partition("?")[0].rstrip("/").removesuffix("/chat/completions")
    version = parameters.text("api_version")
    # A deployment of a single model speaks OpenAI's dialect under /v1.
    is_openai = base_url.endswith("/v1")
    return Account(
        label=_with_source(f"Azure AI {_host_name(base_url).partition('.')[0]}", key, variables),
        provider="openai_compatible" if is_openai else "azure_inference",
        base_url=base_url,
        options={"api_version": version} if version and not is_openai else {},
        credential=Secret(key.text),
        credential_from=key.source,
    )


def _bedrock(model: str, parameters: Parameters, hosts: Mapping[str, KnownHost]) -> Located:
    first, slash, rest = model.partition("/")
    region = parameters.text("aws_region_name")
    if slash and _REGION.fullmatch(first):
        model, region = rest, region or first
    if region is None:
        found = parameters.default("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")
        region = None if found is None else found.text
    if region is None or not _REGION.fullmatch(region):
        raise NotTaken(
            "no region of AWS is said: no aws_region_name, and the environment has no AWS_REGION",
            "say aws_region_name",
        )
    if parameters.value("api_base") or parameters.value("aws_bedrock_runtime_endpoint"):
        raise NotTaken("an own address of Bedrock is not taken", "add the host by hand")
    host = hosts["amazon-bedrock"]
    credential, key = _aws_credential(parameters)
    options = {"region": region}
    return Located(
        Account(
            label=_with_source(
                f"{host.name} {region}", key, ("AWS_ACCESS_KEY_ID", "AWS_BEARER_TOKEN_BEDROCK")
            ),
            provider=provider_of(host),
            base_url=fill_in(host.base_url, options),
            host=host,
            options=options,
            credential=credential,
            credential_from=key.source,
        ),
        model,
    )


def _vertex(parameters: Parameters, hosts: Mapping[str, KnownHost]) -> Account:
    """Return the account on Vertex AI. A path of a key's file is not followed: what lies there on
    this machine need not be what lay there on the other one.
    """
    key = parameters.value("vertex_credentials")
    if key is None or not key.text.startswith("{"):
        raise NotTaken(
            "the service account is not in the file: vertex_credentials is no JSON",
            "add Vertex by hand, with the JSON file of the account's key",
        )
    given = parameters.value("vertex_location") or parameters.default("VERTEXAI_LOCATION")
    if given is None or given.text == "global":
        raise NotTaken("no vertex_location says in which region it is called", "add Vertex by hand")
    options = {"location": given.text}
    if project := parameters.text("vertex_project"):
        options["project"] = project
    host = hosts["google-vertex"]
    return Account(
        label=_with_source(f"{host.name} {given.text}", key, ()),
        provider=provider_of(host),
        base_url=fill_in(host.base_url, options),
        host=host,
        options=options,
        credential=Secret(key.text),
        credential_from=key.source,
    )


def _aws_credential(parameters: Parameters) -> tuple[Secret, Value]:
    """Return Bedrock's credential, and the part of it that names where it came from."""
    token = _key(parameters) or parameters.default("AWS_BEARER_TOKEN_BEDROCK")
    identity = parameters.value("aws_access_key_id")
    secret = parameters.value("aws_secret_access_key")
    session = parameters.value("aws_session_token")
    if token is not None and identity is None:
        return Secret(token.text), token
    for name in _AWS_SIGN_IN:
        if parameters.member(name) is not None:
            raise NotTaken(
                f"{name}: tokens that AWS gives out for an hour are not taken",
                "give aws_access_key_id and aws_secret_access_key, or an API key of Bedrock",
            )
    if identity is None and secret is None:
        identity = parameters.default("AWS_ACCESS_KEY_ID")
        secret = parameters.default("AWS_SECRET_ACCESS_KEY")
        session = session or parameters.default("AWS_SESSION_TOKEN")
    if identity is None or secret is None:
        raise NotTaken(
            "there is no key: no aws_access_key_id and aws_secret_access_key, and the environment"
            " has no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            "set the variables and import again",
        )
    parts = {"access_key_id": identity.text, "secret_access_key": secret.text}
    if session is not None:
        parts["session_token"] = session.text
    return Secret(msgspec.json.encode(parts).decode()), identity


def _key(parameters: Parameters) -> Value | None:
    """Return the key that the file says, None for none and for the words that stand for none."""
    key = parameters.value("api_key")
    return None if key is None or key.text.lower() in _NO_KEYS else key


def _with_source(label: str, key: Value | None, usual: tuple[str, ...]) -> str:
    """Return a label that tells keys apart, and stays the same when others come or go."""
    if key is None or not key.variable or key.variable in usual:
        return label
    return f"{label} ({key.variable})"


def _host_name(base_url: str) -> str:
    try:
        url = parse_base_url(base_url)
    except ValueError:
        return "host"  # the planner says what is wrong with it
    default = {"https": 443, "http": 80}[url.scheme]
    return url.host if url.port == default or not is_private(url) else f"{url.host}:{url.port}"
