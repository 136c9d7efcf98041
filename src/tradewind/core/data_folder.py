"""Where things lie in a data folder. One place, so that no two parts disagree on a path."""

from pathlib import Path
from typing import NamedTuple

# Linux allows 107 bytes for the path of a unix socket (unix(7)); the longest name we put behind the
# run folder is "engine-<26 characters>.sock".
_LONGEST_SOCKET_NAME = 40
_SOCKET_PATH_MAX = 107


class DataFolder(NamedTuple):
    """The folders and files below `root`, which is absolute. Nothing here creates them."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held with flock by the one `tradewind up` that runs on this folder."""
        return self.root / "lock"

    @property
    def secrets(self) -> Path:
        """Pepper and other keys of the platform; mode 0700."""
        return self.root / "secrets"

    @property
    def postgres(self) -> Path:
        """Holds one folder for each major version of PostgreSQL, for example `18`."""
        return self.root / "postgres"

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def content(self) -> Path:
        """Prompts and answers of organizations that keep them, on their way to the database."""
        return self.root / "content"

    @property
    def check_data(self) -> Path:
        """Blocklists, weights and indexes that safety policies bring along, by their digests."""
        return self.root / "check-data"

    @property
    def snapshot(self) -> Path:
        return self.root / "snapshot" / "current"

    @property
    def live_gateways(self) -> Path:
        """How many gateways there are, for those of this host; stays when the database is away."""
        return self.root / "snapshot" / "live-gateways"

    @property
    def installation(self) -> Path:
        """Tells this data folder from all others."""
        return self.root / "installation"

    @property
    def models(self) -> Path:
        """Converted model files, each in a folder named by the digest of its source."""
        return self.root / "models"

    @property
    def artifacts(self) -> Path:
        """Uploads on their way, and, where there is no object store, the files of artifacts."""
        return self.root / "artifacts"

    @property
    def archive(self) -> Path:
        """Usage of days that are over, where there is no object store, and files on their way."""
        return self.root / "archive"

    @property
    def red_team(self) -> Path:
        """Evidence of campaigns, each in a folder of its name; mode 0700."""
        return self.root / "red-team"

    @property
    def environments(self) -> Path:
        """Programs with packages of their own, made on first use."""
        return self.root / "environments"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Sockets and process ids. May be a link to a short path, see `fits_sockets`."""
        return self.root / "run"

    def fits_sockets(self) -> bool:
        """Say whether a unix socket below `run` keeps within the kernel's path limit."""
        return len(bytes(self.run)) + 1 + _LONGEST_SOCKET_NAME <= _SOCKET_PATH_MAX
