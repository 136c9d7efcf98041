"""Values of LiteLLM's configuration: any of them may stand in the environment.

`os.environ/NAME` is read from the environment of whoever imports (docs.litellm.ai, "Config.yaml",
"Load API Keys / config values from Environment").
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple, cast

from tradewind.serve.imports.accounts import NotTaken
from tradewind.serve.imports.plan import shown

_VARIABLE = "os.environ/"


class Value(NamedTuple):
    text: str
    variable: str = ""
    """Of the environment it came from; empty when it stands in the file."""

    @property
    def source(self) -> str:
        return f"the environment variable {shown(self.variable)}" if self.variable else "the file"


class Parameters:
    """`litellm_params` of one deployment. Remembers which were asked for."""

    def __init__(self, members: Mapping[str, object], environment: Mapping[str, str]) -> None:
        self.members = members
        self._environment = environment
        self.asked: set[str] = set()

    def value(self, name: str) -> Value | None:
        """Return a member as text, None when it is not there or empty.

        Raises NotTaken when it stands in the environment and the environment has it not.
        """
        self.asked.add(name)
        member = self.members.get(name)
        if isinstance(member, bool) or not isinstance(member, str | int | Decimal):
            return None
        text = str(member).strip()
        if not text.startswith(_VARIABLE):
            return Value(text) if text else None
        variable = text.removeprefix(_VARIABLE)
        found = self._environment.get(variable, "").strip()
        if not found:
            raise NotTaken(
                f"the environment variable {shown(variable)} is not set",
                "set it and import again",
            )
        return Value(found, variable)

    def text(self, name: str) -> str | None:
        value = self.value(name)
        return None if value is None else value.text

    def member(self, name: str) -> object:
        """Return a member as it is."""
        self.asked.add(name)
        return self.members.get(name)

    def default(self, *variables: str) -> Value | None:
        """Return what the first of these variables that is set holds."""
        for variable in variables:
            found = self._environment.get(variable, "").strip()
            if found:
                return Value(found, variable)
        return None


def mapping(value: object) -> Mapping[str, object]:
    """Return a mapping of the document, an empty one for anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """Return a list of the document, an empty one for anything else."""
    return cast("list[object]", value) if isinstance(value, list) else []
