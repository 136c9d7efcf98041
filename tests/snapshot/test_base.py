"""The base file: found where it lies, shared by processes, never wrong."""

import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshot_parts import KEY_IDS, SNAPSHOT, a_grant, an_endpoint, answers, on_file

from tradewind.core import api_keys
from tradewind.snapshot import file
from tradewind.snapshot.base import Base
from tradewind.snapshot.contents import Grant, Limits, Snapshot
from tradewind.snapshot.errors import SnapshotDamaged
from tradewind.snapshot.layout import PREAMBLE_BYTES
from tradewind.snapshot.view import SnapshotView

# As many as a platform of 1,000,000 keys has of each other, in a hundredth of the size.
KEYS = 10_000


def test_a_file_answers_as_the_snapshot_in_memory_does():
    assert answers(on_file()) == answers(SnapshotView(SNAPSHOT))


@given(st.dictionaries(st.text(max_size=20), st.binary(max_size=40), max_size=50), st.text())
def test_every_key_is_found_and_no_other(digests, other):
    grants = tuple(Grant(key_id, digest, "o", "p") for key_id, digest in digests.items())
    view = on_file(Snapshot(1, 1, grants, ()))
    for grant in grants:
        assert view.grant(grant.key_id) == grant
    assert view.grant(other) == next((each for each in grants if each.key_id == other), None)


def test_keys_that_share_their_terms_do_not_get_each_others():
    grants = tuple(
        a_grant(f"k{number}", digest=bytes([number]) * 32, limits=Limits(number % 3 + 1))
        for number in range(200)
    )
    view = on_file(Snapshot(1, 1, grants, ()))
    assert [view.grant(f"k{number}") for number in range(200)] == list(grants)


def test_a_name_that_cannot_be_text_is_not_found():
    assert on_file().endpoint("\ud800") is None
    assert on_file().grant("\ud800") is None


def test_endpoints_are_decoded_once_and_refusals_are_not_kept():
    view = on_file()
    assert view.endpoint("small") is view.endpoint("small")
    for number in range(5000):
        assert view.endpoint(f"no/{number}") is None
    assert len(view._endpoints) == 1


def test_what_is_decoded_is_bounded():
    many = tuple(an_endpoint(f"p/{number}") for number in range(3000))
    view = on_file(Snapshot(1, 1, (), many))
    for endpoint in many:
        assert view.endpoint(endpoint.name) == endpoint
    assert len(view._endpoints) <= 2048
    for number in range(10_000):
        view.terms(f"org_{number}")
        view.budget(f"budget_{number}")
    assert len(view._terms) <= 8192
    assert len(view._budgets) <= 8192


def many_grants(share):
    """Yield grants as they are in life; `share` keys belong to one project."""
    limits = (Limits(), Limits(60, 100_000, 4))
    for number in range(KEYS):
        project = number // share
        yield Grant(
            key_id=f"{number:0{api_keys.ID_LENGTH}d}",
            digest=number.to_bytes(32, "big"),
            organization_id=f"org_{project // 3:026d}",
            project_id=f"proj_{project:026d}",
            expires_at_ms=1_900_000_000_000 if number % 2 else None,
            limits=limits[number % 2],
        )


@pytest.mark.parametrize(("share", "most_bytes"), [(10, 110), (1, 180)])
def test_a_million_keys_fit_into_200_mb(share, most_bytes):
    """Bytes for a key do not depend on how many there are, so that a few tell it."""
    raw = file.encode(Snapshot(1, 1, tuple(many_grants(share)), ()))
    assert len(raw) / KEYS < most_bytes < 200


def test_what_goes_bad_after_it_was_opened_is_never_taken_for_something_else():
    """A bad sector, say: the digest was right when the file was opened."""
    raw = bytearray(file.encode(SNAPSHOT))
    right = {grant.key_id: grant for grant in SNAPSHOT.grants}
    refused = 0
    for place in range(PREAMBLE_BYTES, len(raw)):
        raw[place] ^= 0x10
        try:
            view = SnapshotView(base=Base(bytes(raw)))
        except SnapshotDamaged:
            refused += 1
            continue
        finally:
            raw[place] ^= 0x10
        for key_id in KEY_IDS:
            try:
                assert view.grant(key_id) in (right.get(key_id), None)
            except SnapshotDamaged:
                refused += 1
    assert refused > 100


def test_a_mapping_outlives_its_file(tmp_path):
    path = tmp_path / "current"
    file.write(path, SNAPSHOT)
    with path.open("rb") as stream:
        base = Base.of_descriptor(stream.fileno())
    file.write(path, Snapshot(6, 1, (), ()))
    path.unlink()
    assert isinstance(base._buffer, mmap.mmap)
    assert answers(SnapshotView(base=base)) == answers(SnapshotView(SNAPSHOT))
