"""What a model at a host is called here: "publisher/slug". Pure.

Hosts write the same model in many ways. What is recognized gets its maker's name, so that a second
host of a model becomes a second target and not a second model.
"""

import re

# Organizations as hosts write them, and the one name we use.
_SAME_MAKER = {
    "x-ai": "xai",
    "z-ai": "zai",
    "zai-org": "zai",
    "thudm": "zai",
    "meta-llama": "meta",
    "mistralai": "mistral",
    "deepseek-ai": "deepseek",
    "alibaba": "qwen",
    "minimaxai": "minimax",
    "cohereforai": "cohere",
    "coherelabs": "cohere",
    "ibm-granite": "ibm",
}
# The first word of a family of models, and who makes it.
_MAKER_OF_FAMILY = {
    "claude": "anthropic",
    "codestral": "mistral",
    "cohere": "cohere",
    "command": "cohere",
    "deepseek": "deepseek",
    "devstral": "mistral",
    "gemini": "google",
    "gemma": "google",
    "glm": "zai",
    "gpt": "openai",
    "grok": "xai",
    "kimi": "moonshotai",
    "llama": "meta",
    "magistral": "mistral",
    "minimax": "minimax",
    "ministral": "mistral",
    "mistral": "mistral",
    "mixtral": "mistral",
    "pixtral": "mistral",
    "qwen": "qwen",
    "titan": "amazon",
    "voxtral": "mistral",
    "whisper": "openai",
}
_NOT_OF_NAMES = re.compile(r"[^a-z0-9._-]+")
_WORD = re.compile(r"[a-z]+")
_PUBLISHER_MAX = 64
_SLUG_MAX = 100


def name_of(upstream_model: str, *, host: str, family: str = "") -> str:
    """Return the name in the catalog of a model that a host calls `upstream_model`.

    `host` makes up for a maker that cannot be told.
    """
    parts = [part for part in upstream_model.lstrip("~@").split("/") if part]
    slug = _clean(parts[-1], _SLUG_MAX) if parts else "model"
    maker = parts[-2] if len(parts) > 1 else ""
    publisher = _clean(maker, _PUBLISHER_MAX) or _maker_of(family) or _clean(host, _PUBLISHER_MAX)
    return f"{_SAME_MAKER.get(publisher, publisher) or 'host'}/{slug or 'model'}"


def _maker_of(family: str) -> str:
    word = _WORD.match(family.lower())
    return "" if word is None else _MAKER_OF_FAMILY.get(word[0], "")


def _clean(text: str, longest: int) -> str:
    return _NOT_OF_NAMES.sub("-", text.lower())[:longest].strip("._-")
