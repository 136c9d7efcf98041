import contextlib
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.core.errors import MalformedId
from tradewind.core.ids import (
    Id,
    OrganizationId,
    ProjectId,
    Uuid7Source,
    encode_base32,
    event_id_of_request,
    request_id,
    uuid7_bytes,
)

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ID_TYPES = Id.__subclasses__()


def number_of(text: str) -> int:
    number = 0
    for character in text:
        number = number * 32 + ALPHABET.index(character)
    return number


@given(st.binary(min_size=16, max_size=16))
def test_base_32_keeps_every_bit(raw):
    assert number_of(encode_base32(raw)).to_bytes(16, "big") == raw


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=2, max_size=20))
def test_base_32_sorts_as_the_bytes_do(raws):
    assert [encode_base32(raw) for raw in sorted(raws)] == sorted(map(encode_base32, raws))


@given(st.integers(min_value=0, max_value=2**48 - 1))
def test_an_event_id_is_a_uuid_of_version_7_that_tells_its_time(unix_ms):
    made = uuid.UUID(bytes=uuid7_bytes(unix_ms))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == unix_ms


@given(st.lists(st.integers(min_value=0, max_value=2**48 - 1), min_size=1))
def test_an_id_of_many_is_a_uuid_of_version_7_that_tells_its_time(times):
    source = Uuid7Source()
    for unix_ms in times:
        made = uuid.UUID(bytes=source.new(unix_ms))
        assert (made.version, made.variant) == (7, uuid.RFC_4122)
        assert made.int >> 80 == unix_ms


def test_ids_of_one_source_differ_also_when_its_store_was_filled_anew():
    source = Uuid7Source()
    assert len({source.new(1) for _ in range(1000)}) == 1000


def test_two_event_ids_of_one_millisecond_differ():
    assert len({uuid7_bytes(1) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("make", [uuid7_bytes, Uuid7Source().new])
def test_random_bits_of_an_event_id_all_occur(make):
    seen_set = seen_clear = 0
    for _ in range(200):
        number = int.from_bytes(make(0), "big")
        seen_set |= number
        seen_clear |= ~number
    both = seen_set & seen_clear & (1 << 80) - 1
    assert both == 0x0FFF_3FFF_FFFF_FFFF_FFFF


@given(st.lists(st.integers(min_value=0, max_value=2**48 - 1), unique=True, min_size=2))
def test_ids_sort_by_time_as_text(times):
    made = [encode_base32(uuid7_bytes(unix_ms)) for unix_ms in sorted(times)]
    assert made == sorted(made)


@pytest.mark.parametrize("id_type", ID_TYPES)
def test_a_new_id_is_of_its_type_and_parses(id_type):
    made = id_type.new()
    assert type(made) is id_type
    assert made.startswith(id_type.prefix)
    assert len(made) == len(id_type.prefix) + 26
    parsed = id_type.parse(str(made))
    assert parsed == made
    assert type(parsed) is id_type


def test_no_two_types_share_a_prefix():
    prefixes = [id_type.prefix for id_type in ID_TYPES]
    assert len(set(prefixes)) == len(prefixes) > 5


def test_one_type_of_id_does_not_pass_for_another():
    with pytest.raises(MalformedId, match="org_"):
        OrganizationId.parse(ProjectId.new())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "org_",
        "org_" + "0" * 25,
        "org_" + "0" * 27,
        "org_" + "0" * 25 + "\n",
        "org_" + "0" * 25 + "I",
        "org_" + "0" * 25 + "l",
        "org_" + "0" * 25 + "\0",
        "org_" + "\N{ARABIC-INDIC DIGIT ZERO}" * 26,
        "ORG_" + "0" * 26,
        "org_" + "A" * 26,
        " org_" + "0" * 26,
        "org_" + "\ud800" * 26,
        "'; DROP TABLE organization; --",
    ],
)
def test_what_is_no_id_is_refused(text):
    with pytest.raises(MalformedId):
        OrganizationId.parse(text)


@settings(max_examples=300)
@given(st.text())
def test_no_text_does_more_than_be_refused(text):
    with contextlib.suppress(MalformedId):
        assert OrganizationId.parse(text) == text


def test_a_refusal_does_not_carry_a_megabyte_along():
    with pytest.raises(MalformedId) as caught:
        OrganizationId.parse("x" * 1_000_000)
    assert len(str(caught.value)) < 200
    assert (caught.value.status, caught.value.code) == (422, "malformed_id")


@given(st.binary(min_size=16, max_size=16))
def test_a_request_id_names_its_event(raw):
    assert event_id_of_request(request_id(raw)).bytes == raw


@pytest.mark.parametrize(
    "text",
    [
        "",
        "req_",
        "0" * 32,
        "req_" + "0" * 31,
        "req_" + "0" * 33,
        "req_" + "0" * 32 + "\n",
        "req_" + "A" * 32,
        "req_" + "\N{ARABIC-INDIC DIGIT ZERO}" * 32,
        "req_+" + "0" * 31,
        "req_1_2" + "0" * 29,
        "req_{" + "0" * 32 + "}",
        "req_urn:uuid:" + "0" * 32,
        "req_00000000-0000-0000-0000-000000000000",
    ],
)
def test_a_request_id_has_one_spelling(text):
    with pytest.raises(MalformedId):
        event_id_of_request(text)
