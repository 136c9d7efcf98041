"""What each gateway of a host is told."""

import json
import socket

import pytest
from pydantic import ValidationError

from tradewind.core.data_folder import DataFolder
from tradewind.core.settings import Settings
from tradewind.gateway.config import load
from tradewind.serve.gateway_configs import (
    METRICS_FOLDER,
    Surroundings,
    forget_metrics,
    gateway_config,
    write_config,
)

KEY = "0123456789abcdef-scrape"


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def test_gateways_of_one_host_share_their_metrics_and_their_key(tmp_path, listener):
    around = Surroundings(
        Settings(data=tmp_path, metrics_key=KEY), DataFolder(tmp_path), tmp_path / "run", None
    )
    found = []
    for number in (0, 1):
        path = tmp_path / f"gateway-{number}.json"
        write_config(path, gateway_config(around, f"gateway-{number}", listener, is_alone=False))
        found.append(load(path))
    assert found[0].metrics_folder == found[1].metrics_folder == tmp_path / "run" / METRICS_FOLDER
    assert found[0].metrics_key == found[1].metrics_key == KEY
    assert found[0].node != found[1].node


def test_only_its_owner_reads_a_configuration(tmp_path):
    path = tmp_path / "gateway.json"
    path.write_text("from a former start, readable by all")
    path.chmod(0o644)
    write_config(path, {"metrics_key": KEY})
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {"metrics_key": KEY}


def test_a_start_forgets_the_numbers_of_the_one_before(tmp_path):
    forget_metrics(tmp_path)
    (tmp_path / METRICS_FOLDER).mkdir()
    (tmp_path / METRICS_FOLDER / "gateway-7.numbers").write_bytes(b"\1" * 8)
    forget_metrics(tmp_path)
    assert not (tmp_path / METRICS_FOLDER).exists()


@pytest.mark.parametrize("key", ["short", "x" * 257, "with a space in it", "umlauts-äöü-äöü-äöü"])
def test_a_metrics_key_is_long_and_fits_a_header(key, tmp_path):
    with pytest.raises(ValidationError):
        Settings(data=tmp_path, metrics_key=key)


def test_a_metrics_key_is_in_no_text_of_the_settings(tmp_path):
    assert KEY not in repr(Settings(data=tmp_path, metrics_key=KEY))
