from pathlib import Path

import pytest

from tradewind.core.data_folder import DataFolder

PARTS = ("lock", "secrets", "postgres", "journal", "snapshot", "models", "logs", "run")


def test_no_two_parts_of_the_platform_share_a_place(tmp_path):
    data = DataFolder(tmp_path)
    places = [getattr(data, part) for part in PARTS]
    for place in places:
        assert place.is_relative_to(tmp_path)
        others = [other for other in places if other != place]
        assert len(others) == len(places) - 1
        assert not any(other.is_relative_to(place) for other in others)


def test_naming_the_places_creates_none(tmp_path):
    data = DataFolder(tmp_path)
    for part in PARTS:
        getattr(data, part)
    assert list(tmp_path.iterdir()) == []


# 107 bytes of path, less "/run/" and a socket's name of up to 40 bytes.
@pytest.mark.parametrize(("size", "fits"), [(10, True), (62, True), (63, False), (200, False)])
def test_a_root_that_is_too_long_for_sockets_is_known(size, fits):
    root = Path("/" + "d" * (size - 1))
    assert DataFolder(root).fits_sockets() is fits
    longest = DataFolder(root).run / ("x" * 40)
    assert (len(bytes(longest)) <= 107) is fits


def test_the_limit_is_of_bytes_and_not_of_characters():
    assert not DataFolder(Path("/" + "é" * 40)).fits_sockets()
