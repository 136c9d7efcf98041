"""What every body takes is what its description says: words for enumerations, text for times."""

import enum
import types
import typing
from datetime import date, datetime

import pydantic
import pytest

from tradewind.control import app
from tradewind.control.bodies import Body

assert app.__name__, "makes every module of routes be loaded"


def every_body(of=Body):
    for each in of.__subclasses__():
        yield each
        yield from every_body(each)


def samples(annotation):
    """Yield what a program sends for each type in an annotation that JSON has no type for."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        yield from samples(inside[0])
    elif origin in {list, tuple, set, frozenset}:
        for each in samples(inside[0]):
            yield [each]
    elif origin in {typing.Union, types.UnionType}:
        for one in inside:
            yield from samples(one)
    elif isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        yield next(iter(annotation)).value
    elif annotation is datetime or annotation is pydantic.AwareDatetime:
        yield "2030-01-31T00:00:00Z"
    elif annotation is date:
        yield "2030-01-31"


FIELDS = [
    pytest.param(body, name, value, id=f"{body.__name__}.{name}")
    for body in every_body()
    for name, field in body.model_fields.items()
    for value in samples(field.annotation)
]


def test_there_are_such_fields():
    assert len(FIELDS) > 50


@pytest.mark.parametrize(("body", "name", "value"), FIELDS)
def test_what_json_has_no_type_for_is_taken_as_text(body, name, value):
    field = body.model_fields[name]
    try:
        body.model_validate({field.alias or name: value})
    except pydantic.ValidationError as error:
        # Other fields may be missing, and a combination may not be; this one is read.
        assert name not in {each["loc"][0] for each in error.errors() if each["loc"]}, error
