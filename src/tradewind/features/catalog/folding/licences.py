"""Licences as SPDX expressions, from what sources write for them. Pure.

An id of the SPDX licence list (spdx.org/licenses, 3.27) where there is one; a known licence of
models that is not on it is a `LicenseRef-…` (SPDX specification, annex on licence expressions);
what is not known stays unknown, because a wrong licence is worse than none.
"""

import re

UNKNOWN = ""

# By the tag of the Hugging Face hub (its documentation, "Licenses"), or another common writing.
_SPDX = {
    "afl-3.0": "AFL-3.0",
    "agpl-3.0": "AGPL-3.0-only",
    "apache-2.0": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "artistic-2.0": "Artistic-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-3-clause-clear": "BSD-3-Clause-Clear",
    "bsl-1.0": "BSL-1.0",
    "c-uda": "C-UDA-1.0",
    "cc-by-2.0": "CC-BY-2.0",
    "cc-by-3.0": "CC-BY-3.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-nc-2.0": "CC-BY-NC-2.0",
    "cc-by-nc-3.0": "CC-BY-NC-3.0",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-nc-nd-3.0": "CC-BY-NC-ND-3.0",
    "cc-by-nc-nd-4.0": "CC-BY-NC-ND-4.0",
    "cc-by-nc-sa-2.0": "CC-BY-NC-SA-2.0",
    "cc-by-nc-sa-3.0": "CC-BY-NC-SA-3.0",
    "cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0",
    "cc-by-nd-4.0": "CC-BY-ND-4.0",
    "cc-by-sa-3.0": "CC-BY-SA-3.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc0-1.0": "CC0-1.0",
    "cdla-permissive-1.0": "CDLA-Permissive-1.0",
    "cdla-permissive-2.0": "CDLA-Permissive-2.0",
    "cdla-sharing-1.0": "CDLA-Sharing-1.0",
    "ecl-2.0": "ECL-2.0",
    "epl-2.0": "EPL-2.0",
    "eupl-1.1": "EUPL-1.1",
    "eupl-1.2": "EUPL-1.2",
    "gfdl": "GFDL-1.3-or-later",
    "gpl-2.0": "GPL-2.0-only",
    "gpl-3.0": "GPL-3.0-only",
    "isc": "ISC",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-3.0": "LGPL-3.0-only",
    "mit": "MIT",
    "mpl-2.0": "MPL-2.0",
    "ms-pl": "MS-PL",
    "ncsa": "NCSA",
    "odbl": "ODbL-1.0",
    "odc-by": "ODC-By-1.0",
    "ofl-1.1": "OFL-1.1",
    "osl-3.0": "OSL-3.0",
    "postgresql": "PostgreSQL",
    "unlicense": "Unlicense",
    "wtfpl": "WTFPL",
    "zlib": "Zlib",
}
_NAMED = {
    "apple-amlr": "LicenseRef-Apple-AMLR",
    "apple-ascl": "LicenseRef-Apple-ASCL",
    "bigcode-openrail-m": "LicenseRef-BigCode-OpenRAIL-M",
    "bigscience-bloom-rail-1.0": "LicenseRef-BigScience-BLOOM-RAIL-1.0",
    "bigscience-openrail-m": "LicenseRef-BigScience-OpenRAIL-M",
    "creativeml-openrail-m": "LicenseRef-CreativeML-OpenRAIL-M",
    "deepfloyd-if-license": "LicenseRef-DeepFloyd-IF",
    "deepseek": "LicenseRef-DeepSeek",
    "deepseek-license": "LicenseRef-DeepSeek",
    "fair-noncommercial-research-license": "LicenseRef-FAIR-Noncommercial-Research",
    "falcon-llm": "LicenseRef-Falcon-LLM",
    "flux-1-dev-non-commercial-license": "LicenseRef-FLUX.1-dev-Non-Commercial",
    "gemma": "LicenseRef-Gemma",
    "grok2-community": "LicenseRef-Grok-2-Community",
    "h-research": "LicenseRef-H-Research",
    "intel-research": "LicenseRef-Intel-Research",
    "lfm1.0": "LicenseRef-LFM-1.0",
    "llama2": "LicenseRef-Llama-2",
    "llama3": "LicenseRef-Llama-3",
    "llama3.1": "LicenseRef-Llama-3.1",
    "llama3.2": "LicenseRef-Llama-3.2",
    "llama3.3": "LicenseRef-Llama-3.3",
    "llama4": "LicenseRef-Llama-4",
    "modified-mit": "LicenseRef-Modified-MIT",
    "mistral-research": "LicenseRef-Mistral-Research",
    "mrl": "LicenseRef-Mistral-Research",
    "nvidia-open-model-license": "LicenseRef-NVIDIA-Open-Model",
    "open-mdw": "LicenseRef-OpenMDW",
    "openmdw-1.0": "LicenseRef-OpenMDW",
    "openmdw-1.1": "LicenseRef-OpenMDW",
    "openrail": "LicenseRef-OpenRAIL",
    "openrail++": "LicenseRef-OpenRAIL-M",
    "qwen": "LicenseRef-Qwen",
    "qwen-research": "LicenseRef-Qwen-Research",
    "tongyi-qianwen": "LicenseRef-Tongyi-Qianwen",
    "tongyi-qianwen-research": "LicenseRef-Qwen-Research",
}
_BY_ID = {spdx.lower(): spdx for spdx in (*_SPDX.values(), *_NAMED.values())}
_WORDS_AROUND = re.compile(r"^(?:the\s+)?|[\s-]+(?:licen[cs]e(?:[\s-]+agreement)?|community)$")
_LLAMA = re.compile(r"(?:meta\s+)?llama[\s-]*(\d(?:\.\d)?)")
_LONGEST = 100


def licence_of(hint: str) -> str:
    """Return the SPDX id of a licence as a source writes it, UNKNOWN for what is not known.

    An id goes to itself, so that a stored licence can be read again.
    """
    text = " ".join(hint[:_LONGEST].lower().split())
    for _ in range(3):
        found = _SPDX.get(text) or _NAMED.get(text) or _BY_ID.get(text)
        if found is not None:
            return found
        if llama := _LLAMA.fullmatch(text):
            return _NAMED.get(f"llama{llama[1]}", UNKNOWN)
        text = _WORDS_AROUND.sub("", text)
    return UNKNOWN
