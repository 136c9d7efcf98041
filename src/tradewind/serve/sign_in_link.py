"""`tradewind sign-in-link`: a new one-time link for the administrator of a running platform."""

import os
from datetime import timedelta

import psycopg

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError, Unavailable
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.db.embedded import url_of_running
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.serve.services import build_services

LINK_LIFETIME = timedelta(hours=1)
BASE_URL_FILE = "base-url"
"""In the run folder, while a platform runs: where browsers reach it."""


def make_sign_in_link(settings: Settings) -> str:
    """Return a fresh link; earlier ones no longer work.

    Whoever may read the data folder may do this: it is the way back in after a lost password.
    Raises StartupError when no platform runs on the data folder.
    """
    folder = DataFolder(settings.data.resolve())
    if not os.access(folder.lock, os.F_OK):
        raise StartupError(f"{folder.root} is no data folder of Tradewind", hint="see --data")
    url = settings.database_url or url_of_running(folder)
    database = Database(url, application_name="tradewind-sign-in-link", pool_size=1)
    try:
        accounts = build_services(
            load_or_create_pepper(folder.secrets), load_or_create_key_encryption(folder.secrets)
        ).accounts
        with database.transaction() as tx:
            code = accounts.create_sign_in_link(tx, lifetime=LINK_LIFETIME)
    except (Unavailable, psycopg.OperationalError) as error:
        raise StartupError(
            f"no platform runs on {folder.root}", hint="start it with `tradewind up`"
        ) from error
    finally:
        database.close()
    return f"{_base_url(folder)}/sign-in?code={code}"


def _base_url(folder: DataFolder) -> str:
    try:
        return (folder.run / BASE_URL_FILE).read_text()
    except OSError:
        return ""  # with a database of one's own, the platform may run elsewhere
