"""The members of the family by name. One line adds one."""

from tradewind.plugins.providers.anthropic import Anthropic
from tradewind.plugins.providers.azure_inference import AzureInference
from tradewind.plugins.providers.azure_openai import AzureOpenAI
from tradewind.plugins.providers.base import Provider
from tradewind.plugins.providers.bedrock import Bedrock
from tradewind.plugins.providers.cohere import Cohere
from tradewind.plugins.providers.google import Google
from tradewind.plugins.providers.llama_server import LlamaServer
from tradewind.plugins.providers.mistral import Mistral
from tradewind.plugins.providers.openai import OpenAI
from tradewind.plugins.providers.openai_compatible import OpenAICompatible


def providers() -> dict[str, Provider]:
    """Return every provider by its name."""
    members: tuple[Provider, ...] = (
        OpenAICompatible(),
        LlamaServer(),
        OpenAI(),
        AzureOpenAI(),
        AzureInference(),
        Anthropic(),
        Google(),
        Mistral(),
        Cohere(),
        Bedrock(),
    )
    return {member.name: member for member in members}
