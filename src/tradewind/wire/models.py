"""The list of models (OpenAI v1)."""

import msgspec


class Model(msgspec.Struct, frozen=True):
    id: str
    created: int
    owned_by: str
    context_length: int
    """Not OpenAI's, but what many clients look for."""
    object: str = "model"


class ModelList(msgspec.Struct, frozen=True):
    data: list[Model]
    object: str = "list"


encode = msgspec.json.Encoder().encode
