"""The form of a connection: what a person typed about an account at a host, and what it means.

Pure. Every field is checked by the rule of the feature that would refuse it later, so that all that
is wrong is said at once, each at its field.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tradewind.db.sealing import Secret
from tradewind.features.providers import rules
from tradewind.features.providers.host_kinds import Shape
from tradewind.features.providers.schemas import ConnectionChanges, KnownHost, NewConnection
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields
from tradewind.readmodels.connections import ConnectionView

OPTION = "option_"
"""Prefix of the fields of single options."""
_LONGEST_TEXT = 4_000
_LINE = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")


class OfferedOption(NamedTuple):
    """An option with a field of its own."""

    name: str
    label: str
    help: str
    is_required: bool


FORMS = (
    ("openai_compatible", "OpenAI-compatible"),
    ("anthropic", "Anthropic Messages"),
    ("google", "Google Gemini"),
    ("bedrock", "Amazon Bedrock"),
    ("azure_openai", "Azure OpenAI"),
    ("azure_inference", "Azure AI Model Inference"),
    ("mistral", "Mistral"),
    ("cohere", "Cohere"),
    ("llama_server", "llama-server"),
)
"""What may be said of a host that is not known by name, and how it reads."""

_OFFERED: dict[str, tuple[OfferedOption, ...]] = {
    "azure_openai": (
        OfferedOption(
            "api_version", "API version", "Empty is the last stable one; v1 is without.", False
        ),
    ),
    "openai": (
        OfferedOption("organization", "OpenAI organization", "Empty is the key's own.", False),
        OfferedOption("project", "OpenAI project", "Empty is the key's own.", False),
    ),
}


@dataclass(frozen=True, slots=True)
class ConnectionForm:
    """What was typed, as typed. The credential is not in here: it is never shown again."""

    name: str = ""
    provider: str = FORMS[0][0]
    base_url: str = ""
    region: str = ""
    zone: str = ""
    retains_data: str = "yes"
    trains_on_data: str = "yes"
    is_private_network: bool = False
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the fields for single options, by the option's name."""
    further_options: str = ""
    """Any others, `name = value` on a line each."""
    revision: str = ""


def offered_options(host: KnownHost | None) -> tuple[OfferedOption, ...]:
    """Return the options that get a field: what the address leaves open, then what people set."""
    if host is None:
        return ()
    variables = tuple(
        OfferedOption(name, _label(name), f"Fills in {{{name}}} of the address.", True)
        for name in host.variables
    )
    return variables + _OFFERED.get(host.provider or "", ())


def is_address_editable(host: KnownHost | None) -> bool:
    """Say whether another address may speak the same API: a proxy, a mirror, a private copy."""
    return host is None or (host.shape is Shape.OPENAI and not host.variables)


def blank_form(host: KnownHost | None) -> ConnectionForm:
    """Return the form as it is first shown."""
    if host is None:
        return ConnectionForm()
    return ConnectionForm(
        name=host.name,
        provider=host.provider or FORMS[0][0],
        base_url="" if host.variables else host.base_url,
        is_private_network=host.is_local,
    )


def form_of(connection: ConnectionView) -> ConnectionForm:
    """Return the form that changes a connection, with what it is now."""
    return ConnectionForm(
        name=connection.name,
        provider=connection.provider,
        base_url=connection.base_url,
        region=connection.region,
        zone=connection.zone,
        retains_data=_yes(connection.retains_data),
        trains_on_data=_yes(connection.trains_on_data),
        is_private_network=connection.is_private_network,
        further_options="\n".join(
            f"{name} = {value}" for name, value in sorted(connection.options.items())
        ),
        revision=str(connection.revision),
    )


def read_form(fields: FormFields) -> ConnectionForm:
    return ConnectionForm(
        name=fields.text("name"),
        provider=fields.text("provider") or FORMS[0][0],
        base_url=fields.text("base_url").strip(),
        region=fields.text("region").strip(),
        zone=fields.text("zone").strip(),
        retains_data=fields.text("retains_data") or "yes",
        trains_on_data=fields.text("trains_on_data") or "yes",
        is_private_network=fields.is_checked("is_private_network"),
        options=fields.with_prefix(OPTION),
        further_options=fields.text("further_options")[:_LONGEST_TEXT],
        revision=fields.text("revision"),
    )


def new_connection(
    form: ConnectionForm,
    credential: str,
    host: KnownHost | None,
    *,
    is_platform_administrator: bool,
    errors: FieldErrors,
) -> NewConnection | None:
    """Return what is to be added, or None when something is wrong, which is then in `errors`."""
    _check_places(form, errors)
    if host is None and form.provider not in dict(FORMS):
        errors.say("provider", "this form of an API is not offered", "choose one from the list")
    options = _options(form, offered_options(host), errors)
    base_url = form.base_url if is_address_editable(host) else None
    if base_url is not None:
        _check_address(form, base_url, errors, is_platform_administrator=is_platform_administrator)
    elif host is not None and not errors:
        with errors.at(OPTION + host.variables[0] if host.variables else ""):
            url = rules.fill_in(host.base_url, options)
            rules.clean_base_url(url, is_private_network=False)
    secret = _secret(credential, errors)
    if secret is None and host is not None and not host.is_local:
        errors.say("credential", "the key is missing", f"{host.name} gives you one")
    if errors:
        return None
    return NewConnection(
        credential=secret,
        name=form.name,
        host=None if host is None else host.id,
        provider=form.provider if host is None else None,
        base_url=None if host is not None and base_url == host.base_url else base_url,
        is_shared=is_platform_administrator,
        is_private_network=form.is_private_network and base_url is not None,
        options=options,
        region=form.region,
        zone=form.zone,
        retains_data=form.retains_data != "no",
        trains_on_data=form.trains_on_data != "no",
    )


def changes_of(
    form: ConnectionForm,
    credential: str,
    former: ConnectionView,
    *,
    is_platform_administrator: bool,
    errors: FieldErrors,
) -> ConnectionChanges | None:
    """Return what is to be changed, or None when something is wrong, which is then in `errors`."""
    _check_places(form, errors)
    options = _options(form, (), errors)
    _check_address(
        form,
        form.base_url,
        errors,
        is_platform_administrator=is_platform_administrator or former.is_private_network,
    )
    secret = _secret(credential, errors)
    is_elsewhere = form.base_url != former.base_url
    if is_elsewhere and secret is None and former.credential_set_at is not None:
        errors.say(
            "credential",
            "the key is bound to the address that it was given for",
            "type the key of the new address",
        )
    if errors:
        return None
    changes = ConnectionChanges(
        name=form.name,
        base_url=form.base_url,
        is_private_network=form.is_private_network,
        options=options,
        region=form.region,
        zone=form.zone,
        retains_data=form.retains_data != "no",
        trains_on_data=form.trains_on_data != "no",
    )
    return changes if secret is None else replace(changes, credential=secret)


def _check_places(form: ConnectionForm, errors: FieldErrors) -> None:
    with errors.at("name"):
        rules.clean_name(form.name)
    with errors.at("region"):
        rules.clean_place(form.region, "region")
    with errors.at("zone"):
        rules.clean_place(form.zone, "zone")


def _check_address(
    form: ConnectionForm, base_url: str, errors: FieldErrors, *, is_platform_administrator: bool
) -> None:
    if form.is_private_network and not is_platform_administrator:
        errors.say(
            "is_private_network",
            "only an administrator of the platform may connect to a private network",
            "ask one of them to add this provider",
        )
    with errors.at("base_url"):
        rules.clean_base_url(base_url, is_private_network=form.is_private_network)


def _options(
    form: ConnectionForm, offered: tuple[OfferedOption, ...], errors: FieldErrors
) -> dict[str, str]:
    options: dict[str, str] = {}
    for line in form.further_options.splitlines():
        if not line.strip():
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            errors.say("further_options", "a line is not `name = value`", "write one on each line")
        else:
            options[found[1]] = found[2]
    with errors.at("further_options"):
        rules.clean_options(options)
    for option in offered:
        value = form.options.get(option.name, "").strip()
        if value:
            with errors.at(OPTION + option.name):
                rules.clean_options({option.name: value})
            options[option.name] = value
        elif option.is_required:
            errors.say(OPTION + option.name, f"{option.label} is missing", option.help)
    return options


def _secret(credential: str, errors: FieldErrors) -> Secret | None:
    if not credential.strip():
        return None
    with errors.at("credential"):
        return Secret(rules.clean_credential(credential))
    return None


def _label(variable: str) -> str:
    words = variable.replace("_", " ").lower()
    return words[:1].upper() + words[1:]


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
