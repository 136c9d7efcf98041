"""The members of the family by name. One line adds one."""

from tradewind.plugins.providers.base import Provider
from tradewind.plugins.providers.llama_server import LlamaServer
from tradewind.plugins.providers.openai_compatible import OpenAICompatible


def providers() -> dict[str, Provider]:
    """Return every provider by its name."""
    members: tuple[Provider, ...] = (OpenAICompatible(), LlamaServer())
    return {member.name: member for member in members}
