"""From options and the environment to settings."""

from typing import TYPE_CHECKING

from tradewind.core.errors import StartupError

if TYPE_CHECKING:
    from tradewind.core.settings import Settings


def load_settings(**given: object) -> "Settings":
    """Return the settings: an option goes before the environment. Raises StartupError."""
    from pydantic import ValidationError  # noqa: PLC0415

    from tradewind.core.settings import Settings  # noqa: PLC0415

    options = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**options)  # pyright: ignore[reportArgumentType]  pydantic checks them
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper().removeprefix("TRADEWIND_")
        raise StartupError(
            f"the setting TRADEWIND_{name} is wrong: {first['msg']}", hint="set another or unset it"
        ) from error
