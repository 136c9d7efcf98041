"""The fields of a posted form, for pages whose fields are not known beforehand."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request


class FormFields:
    """What was typed, as typed. A field that was not sent is empty."""

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """Return the last value of a field."""
        return self._values.get(name, [""])[-1]

    def texts(self, name: str) -> list[str]:
        """Return all values of a field."""
        return list(self._values.get(name, ()))

    def is_checked(self, name: str) -> bool:
        return bool(self.text(name))

    def with_prefix(self, prefix: str) -> dict[str, str]:
        """Return the fields whose name begins so, without the prefix."""
        return {
            name.removeprefix(prefix): values[-1]
            for name, values in self._values.items()
            if name.startswith(prefix)
        }


async def _read(request: Request) -> FormFields:
    form = await request.form()
    values: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            values.setdefault(name, []).append(value)
    return FormFields(values)


Fields = Annotated[FormFields, Depends(_read)]
"""The argument of a handler that gets the posted form."""
