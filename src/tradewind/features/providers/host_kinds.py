"""What the shipped list of hosts does not say: how each kind of host is spoken to, and where.

The list names for each host the package of the AI SDK (ai-sdk.dev/providers) that talks to it; that
package fixes the form of the API, and for hosts without an address in the list its address too.
"""

from enum import StrEnum
from typing import NamedTuple


class Shape(StrEnum):
    """The form of a host's API."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    AZURE = "azure"
    BEDROCK = "bedrock"
    COHERE = "cohere"
    MISTRAL = "mistral"
    UNSUPPORTED = "unsupported"


class HostKind(NamedTuple):
    shape: Shape
    provider: str = ""
    """Member of the provider family that speaks to it; empty for an unsupported one."""
    base_url: str = ""
    """For hosts without one in the list; `{name}` stands for what an account differs in."""
    reason: str = ""
    """Why it is not supported."""


def kind_of(host_id: str, package: str) -> HostKind:
    """Return how the host of this id, which `package` talks to, is spoken to."""
    return _HOSTS.get(host_id) or _PACKAGES.get(package) or _NOT_KNOWN


def _openai(base_url: str = "") -> HostKind:
    return HostKind(Shape.OPENAI, "openai_compatible", base_url)


def _unsupported(reason: str) -> HostKind:
    return HostKind(Shape.UNSUPPORTED, reason=reason)


_NOT_KNOWN = _unsupported("the form of its API is not known to this release")
_SERVICE_ACCOUNT = _unsupported(
    "its credential is a service account, whose tokens live an hour; only fixed keys are supported"
)

# Looked up in the documentation of each host; the page is the `documentation` of its entry.
_PACKAGES: dict[str, HostKind] = {
    "@ai-sdk/openai-compatible": _openai(),
    "@ai-sdk/openai": HostKind(Shape.OPENAI, "openai", "https://api.openai.com/v1"),
    "@ai-sdk/anthropic": HostKind(Shape.ANTHROPIC, "anthropic", "https://api.anthropic.com/v1"),
    "@ai-sdk/google": HostKind(
        Shape.GEMINI, "google", "https://generativelanguage.googleapis.com/v1beta"
    ),
    "@ai-sdk/amazon-bedrock": HostKind(
        Shape.BEDROCK, "bedrock", "https://bedrock-runtime.{region}.amazonaws.com"
    ),
    "@ai-sdk/cohere": HostKind(Shape.COHERE, "cohere", "https://api.cohere.com/v2"),
    "@ai-sdk/mistral": HostKind(Shape.MISTRAL, "mistral", "https://api.mistral.ai/v1"),
    "@ai-sdk/groq": _openai("https://api.groq.com/openai/v1"),
    "@ai-sdk/xai": _openai("https://api.x.ai/v1"),
    "@ai-sdk/cerebras": _openai("https://api.cerebras.ai/v1"),
    "@ai-sdk/deepinfra": _openai("https://api.deepinfra.com/v1/openai"),
    "@ai-sdk/perplexity": _openai("https://api.perplexity.ai"),
    "@ai-sdk/togetherai": _openai("https://api.together.xyz/v1"),
    "@ai-sdk/vercel": _openai("https://api.v0.dev/v1"),
    "@ai-sdk/gateway": _openai("https://ai-gateway.vercel.sh/v1"),
    "@openrouter/ai-sdk-provider": _openai("https://openrouter.ai/api/v1"),
    "@aihubmix/ai-sdk-provider": _openai("https://aihubmix.com/v1"),
    "venice-ai-sdk-provider": _openai("https://api.venice.ai/api/v1"),
    "ai-gateway-provider": _openai(
        "https://gateway.ai.cloudflare.com/v1/{account_id}/{gateway_id}/compat"
    ),
    "@ai-sdk/google-vertex": HostKind(
        Shape.GEMINI, "google", "https://{location}-aiplatform.googleapis.com/v1"
    ),
    "@ai-sdk/google-vertex/anthropic": _unsupported(
        "it wraps Anthropic's form in one of Vertex AI; Gemini's models there are supported"
    ),
    "@jerome-benoit/sap-ai-provider-v2": _SERVICE_ACCOUNT,
    "watsonx-ai-provider": _unsupported(
        "it speaks a form of its own, behind tokens that live an hour"
    ),
    "gitlab-ai-provider": _unsupported("it speaks a form of its own, for GitLab's clients alone"),
    "merge-gateway-ai-sdk-provider": _unsupported(
        "it speaks a form of its own; add it by its OpenAI-compatible address if it has one"
    ),
    "@qvac/ai-sdk-provider": _unsupported("it runs inside the program that calls it"),
    "@saladtechnologies-oss/ai-sdk-provider": _unsupported(
        "its address is not documented; add it by its OpenAI-compatible address"
    ),
}
# One package, two addresses.
_HOSTS: dict[str, HostKind] = {
    "azure": HostKind(Shape.AZURE, "azure_openai", "https://{resource}.openai.azure.com"),
    "azure-cognitive-services": HostKind(
        Shape.AZURE, "azure_openai", "https://{resource}.cognitiveservices.azure.com"
    ),
}

PROVIDERS = frozenset(
    {
        "openai",
        "openai_compatible",
        "anthropic",
        "google",
        "azure_openai",
        "azure_inference",
        "mistral",
        "cohere",
        "bedrock",
        "llama_server",
    }
)
"""Members of the provider family that a connection may name."""
