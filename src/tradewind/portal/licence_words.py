"""What a licence lets one do, in plain words. A reading aid, never advice: its text is what counts.

Pure. The families are told by SPDX id, or by `LicenseRef-…` for licences that SPDX does not list.
"""

import re
from typing import NamedTuple

_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


class LicenceWords(NamedTuple):
    name: str
    summary: str
    points: tuple[str, ...]
    url: str | None
    """Where its text is, when SPDX has it."""


_KEEP_NOTICE = "Keep the copyright and licence notices."
_COMMERCE = "Commercial use is allowed."
_NO_COMMERCE = "No commercial use without another agreement."


class _Family(NamedTuple):
    prefixes: tuple[str, ...]
    summary: str
    points: tuple[str, ...]


_FAMILIES = (
    _Family(
        ("Apache-2.0",),
        "Permissive: use, change and share it.",
        (_COMMERCE, _KEEP_NOTICE, "Say what you changed.", "Includes a grant of patents."),
    ),
    _Family(
        ("MIT", "BSD-", "ISC", "0BSD", "Unlicense", "CC0-1.0", "Zlib"),
        "Permissive: use, change and share it.",
        (_COMMERCE, _KEEP_NOTICE),
    ),
    _Family(
        ("CC-BY-NC", "LicenseRef-CC-BY-NC"),
        "For non-commercial use.",
        (_NO_COMMERCE, "Name who made it."),
    ),
    _Family(
        ("CC-BY-SA",),
        "Share alike: what you make of it has the same licence.",
        (_COMMERCE, "Name who made it."),
    ),
    _Family(("CC-BY",), "Use, change and share it.", (_COMMERCE, "Name who made it.")),
    _Family(
        ("AGPL", "GPL", "LGPL", "MPL"),
        "Copyleft: what you pass on stays under this licence.",
        (_COMMERCE, "Offer the source of what you change; with AGPL to users of a service too."),
    ),
    _Family(
        ("LicenseRef-Llama", "Llama"),
        "Meta's community licence: open weights under conditions.",
        (
            "Commercial use is allowed below 700 million monthly users.",
            "Follow the acceptable use policy.",
            'Show "Built with Llama" and keep "Llama" in the name of what you derive.',
        ),
    ),
    _Family(
        ("LicenseRef-Gemma", "Gemma"),
        "Google's terms: open weights under conditions.",
        (_COMMERCE, "Follow the prohibited use policy, and pass it on."),
    ),
    _Family(
        ("LicenseRef-OpenRAIL", "OpenRAIL", "LicenseRef-BigScience", "LicenseRef-CreativeML"),
        "Responsible AI licence: open weights with use restrictions.",
        (_COMMERCE, "The use restrictions bind whoever you pass it on to."),
    ),
    _Family(
        ("LicenseRef-Mistral-Research", "LicenseRef-MRL", "LicenseRef-Mistral-AI-Research"),
        "For research only.",
        (_NO_COMMERCE,),
    ),
    _Family(
        ("LicenseRef-Proprietary", "LicenseRef-proprietary", "Proprietary"),
        "Closed: the weights are not given out.",
        ("Used over an API, under the terms of each host.",),
    ),
)
_OWN_TERMS = "Its publisher's own terms: read them before you build on it."
_NOT_TOLD = "No source tells the licence. Ask its publisher before you build on it."


def licence_words(licence: str, *, open_weights: bool | None = None) -> LicenceWords:
    """Return what to say of a licence; "" is one that nobody told."""
    if not licence:
        if open_weights is False:
            closed = ("Used over an API, under the terms of each host.",)
            return LicenceWords("Not told", "The weights are not given out.", closed, None)
        return LicenceWords("Not told", _NOT_TOLD, (), None)
    name = licence.removeprefix("LicenseRef-").replace("-", " ") if _is_own(licence) else licence
    for family in _FAMILIES:
        if licence.startswith(family.prefixes):
            return LicenceWords(name, family.summary, family.points, _spdx_url(licence))
    return LicenceWords(name, _OWN_TERMS, (), _spdx_url(licence))


def _is_own(licence: str) -> bool:
    return licence.startswith("LicenseRef-")


def _spdx_url(licence: str) -> str | None:
    if _is_own(licence) or not _SPDX.fullmatch(licence):
        return None
    return f"https://spdx.org/licenses/{licence}.html"
