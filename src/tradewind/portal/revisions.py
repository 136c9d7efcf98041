"""Forms carry the revision that they were made from, so that nobody overwrites what they have not
seen.
"""

from http import HTTPStatus

from tradewind.portal.form_fields import FormFields

STALE = HTTPStatus.PRECONDITION_FAILED
_NEVER_WAS = 0
_LONGEST = 10


def revision_of(fields: FormFields) -> int:
    """Return the form's revision, or one that never was: such a form changes nothing."""
    text = fields.text("revision")
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST
    return int(text) if is_number else _NEVER_WAS
