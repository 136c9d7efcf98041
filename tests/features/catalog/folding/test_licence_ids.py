"""Licences as sources write them, and what they are called."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.catalog.folding.licences import _NAMED, _SPDX, licence_of


@pytest.mark.parametrize(
    ("hint", "licence"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("Apache License 2.0", ""),
        ("Apache 2.0 License", "Apache-2.0"),
        ("MIT License", "MIT"),
        ("The MIT License", "MIT"),
        ("llama3.3", "LicenseRef-Llama-3.3"),
        ("Llama 3.1 Community License Agreement", "LicenseRef-Llama-3.1"),
        ("Meta Llama 3 Community License", "LicenseRef-Llama-3"),
        ("gemma", "LicenseRef-Gemma"),
        ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ("gpl-3.0", "GPL-3.0-only"),
        ("modified-mit", "LicenseRef-Modified-MIT"),
        ("Modified MIT License", ""),
        ("other", ""),
        ("unknown", ""),
        ("", ""),
        ("llama9.9", ""),
    ],
)
def test_a_licence_is_named_as_spdx_names_it_or_not_at_all(hint, licence):
    assert licence_of(hint) == licence


@pytest.mark.parametrize("licence", sorted({*_SPDX.values(), *_NAMED.values()}))
def test_a_stored_licence_reads_as_itself(licence):
    assert licence_of(licence) == licence
    assert re.fullmatch(r"[A-Za-z0-9.-]+", licence)


@given(st.text())
def test_any_text_is_a_known_licence_or_unknown(text):
    assert licence_of(text) in {"", *_SPDX.values(), *_NAMED.values()}
