"""`tradewind sign-in-link`: a new one-time link for the administrator of a running platform."""

from datetime import timedelta

from tradewind.core.data_folder import DataFolder
from tradewind.core.settings import Settings
from tradewind.serve.running_platform import running_database
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
    with running_database(settings, "tradewind-sign-in-link") as database:
        accounts = build_services(
            load_or_create_pepper(folder.secrets), load_or_create_key_encryption(folder.secrets)
        ).accounts
        with database.transaction() as tx:
            code = accounts.create_sign_in_link(tx, lifetime=LINK_LIFETIME)
    return f"{base_url_of(folder)}/sign-in?code={code}"


def base_url_of(folder: DataFolder) -> str:
    """Return where the platform is reached, or nothing when it runs on another machine."""
    try:
        return (folder.run / BASE_URL_FILE).read_text()
    except OSError:
        return ""  # with a database of one's own, the platform may run elsewhere
