"""What is wrong with a form, field by field, so that each error stands beside what caused it."""

from typing import NamedTuple

from tradewind.core.errors import InvalidInput, TradewindError

WHOLE_FORM = ""


class FieldError(NamedTuple):
    message: str
    hint: str | None


class FieldErrors:
    """Collects the errors of one form; those of no single field belong to the whole form."""

    def __init__(self) -> None:
        self._errors: dict[str, FieldError] = {}

    def __bool__(self) -> bool:
        return bool(self._errors)

    def of(self, field: str) -> FieldError | None:
        return self._errors.get(field)

    @property
    def whole(self) -> FieldError | None:
        return self._errors.get(WHOLE_FORM)

    @property
    def first(self) -> str | None:
        """The first field with an error: where the keyboard should be."""
        return next((field for field in self._errors if field), None)

    def add(self, field: str, error: TradewindError) -> None:
        """Keep an error; the first one of a field stands."""
        self._errors.setdefault(field, FieldError(error.message, error.hint))

    def say(self, field: str, message: str, hint: str | None = None) -> None:
        self._errors.setdefault(field, FieldError(message, hint))

    def at(self, field: str) -> "_At":
        """Keep an InvalidInput that is raised inside as an error of this field, and go on."""
        return _At(self, field)


class _At:
    """A class, so that type checkers see that what is inside may not have come to its end."""

    def __init__(self, errors: FieldErrors, field: str) -> None:
        self._errors = errors
        self._field = field

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: object
    ) -> bool:
        if isinstance(error, InvalidInput):
            self._errors.add(self._field, error)
            return True
        return False
