"""`tradewind sign-in-link` where it cannot work; the rest is told in tests/e2e."""

from pathlib import Path

import pytest

from tradewind.core.errors import StartupError
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.serve.prepare import prepare
from tradewind.serve.secret_files import (
    load_or_create_key_encryption,
    load_or_create_pepper,
    pepper_path,
)
from tradewind.serve.services import build_services
from tradewind.serve.sign_in_link import BASE_URL_FILE, make_sign_in_link


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose platform was stopped."""
    (tmp_path / "lock").touch()
    load_or_create_pepper(tmp_path / "secrets")
    return tmp_path


def test_a_folder_that_is_none_of_ours_is_named_and_left_alone(tmp_path: Path):
    with pytest.raises(StartupError) as refused:
        make_sign_in_link(Settings(data=tmp_path))
    assert str(refused.value) == f"{tmp_path} is no data folder of Tradewind (see --data)"
    assert list(tmp_path.iterdir()) == []


def test_a_platform_that_does_not_run_is_said_so(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(StartupError) as refused:
        make_sign_in_link(Settings(data=data))
    assert str(refused.value) == (f"no platform runs on {data} (start it with `tradewind up`)")


@pytest.mark.postgres
def test_with_a_database_of_ones_own_the_link_says_where_the_platform_is_if_that_is_known(
    data: Path, database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
):
    keys = load_or_create_key_encryption(data / "secrets")
    services = build_services(pepper_path(data / "secrets").read_bytes(), keys)
    prepare(database, services, currency="USD")
    monkeypatch.setenv("TRADEWIND_DATABASE_URL", database_url)
    settings = Settings(data=data)
    unknown = make_sign_in_link(settings)
    assert unknown.startswith("/sign-in?code=")
    (data / "run").mkdir()
    (data / "run" / BASE_URL_FILE).write_text("https://models.example.org")
    known = make_sign_in_link(settings)
    origin, _, code = known.partition("/sign-in?code=")
    assert origin == "https://models.example.org"
    with database.transaction() as tx:
        assert services.accounts.sign_in_with_link(tx, code).viewer.user_id
