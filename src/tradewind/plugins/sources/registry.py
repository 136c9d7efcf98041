"""The members of the family by name. One line adds one."""

from datetime import date

from tradewind.plugins.sources.base import Source
from tradewind.plugins.sources.genai_prices import GenaiPrices
from tradewind.plugins.sources.huggingface import MOST, HuggingFace
from tradewind.plugins.sources.models_dev import ModelsDev, ShippedModelsDev
from tradewind.plugins.sources.mteb import Mteb
from tradewind.plugins.sources.ollama import Ollama
from tradewind.plugins.sources.openrouter import OpenRouter


def shipped_sources(today: date) -> tuple[Source, ...]:
    """Return what a first start reads: lists that are installed, for which nothing is fetched."""
    return (ShippedModelsDev(), GenaiPrices(today), Mteb())


def sources(today: date, *, hub_url: str = "") -> dict[str, Source]:
    """Return the sources that need no host to be named, by their names. An empty `hub_url` is the
    public hub.

    `openai_models.OpenAIModels` and another server's `ollama.Ollama` are made for one host each,
    `huggingface.HuggingFace` may be made for one search.
    """
    members: tuple[Source, ...] = (
        ModelsDev(),
        GenaiPrices(today),
        OpenRouter(),
        Ollama(),
        HuggingFace(hub_url, limit=MOST),
        Mteb(),
    )
    return {member.name: member for member in members}
