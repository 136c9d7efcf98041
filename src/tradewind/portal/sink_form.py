"""The form of a sink. Pure."""

from dataclasses import dataclass

from tradewind.db.sealing import Secret
from tradewind.features.marketplace.schemas import Covers, NewSink
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields

_LONGEST = 2_100


@dataclass(frozen=True, slots=True)
class SinkForm:
    """What was typed, as typed; the credential is never kept."""

    name: str = ""
    kind: str = "openmeter"
    url: str = ""
    meters: str = ""
    customers: str = ""
    covers_all: bool = False
    is_private_network: bool = False


def read_sink_form(fields: FormFields) -> SinkForm:
    return SinkForm(
        name=fields.text("name")[:_LONGEST],
        kind=fields.text("kind")[:_LONGEST],
        url=fields.text("url")[:_LONGEST],
        meters=fields.text("meters")[:_LONGEST],
        customers=fields.text("customers")[:_LONGEST],
        covers_all=fields.is_checked("covers_all"),
        is_private_network=fields.is_checked("is_private_network"),
    )


def new_sink_of(form: SinkForm, credential: str, errors: FieldErrors) -> NewSink | None:
    """Return the sink to add, or None when something is wrong, which is then in `errors`."""
    pairs: list[tuple[str, str]] = []
    for line in form.customers.splitlines():
        subject, equals, customer = line.partition("=")
        if line.strip() and not (equals and subject.strip() and customer.strip()):
            errors.say("customers", "each line is a subject, = and its name there")
        elif line.strip():
            pairs.append((subject, customer))
    if errors:
        return None
    return NewSink(
        name=form.name,
        kind=form.kind,
        base_url=form.url,
        credential=Secret(credential) if credential else None,
        covers=Covers.PLATFORM if form.covers_all else Covers.ORGANIZATION,
        meters=tuple(form.meters.replace(",", " ").split()),
        customers=tuple(pairs),
        is_private_network=form.is_private_network,
    )
