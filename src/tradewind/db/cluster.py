"""The cluster: PostgreSQL's own folder, how it is made, and the settings beside it.

    postgres/18/         the cluster, owned by the user PostgreSQL runs as
    postgres/18.making/  one whose making was cut short; removed at the next start
    postgres/settings/   postgresql.conf, pg_hba.conf, pg_ident.conf; ours, rewritten at each start
    postgres/lock        held with flock by whoever runs the server

The settings lie outside of the cluster so that the server cannot change who may connect. What an
operator sets with ALTER SYSTEM lies inside and wins.
"""

import ctypes
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError
from tradewind.db.installation import Installation
from tradewind.db.owned_process import Account, OwnedProcess
from tradewind.db.server_log import ServerLog

SUPERUSER = "postgres"
"""The role that owns the cluster. Tradewind uses it only to make its own role and database."""
ROLE = "tradewind"
DATABASE = "tradewind"
SOCKET_LOCK = ".s.PGSQL.5432.lock"
"""Beside the socket, whose name has a port in it although there is none."""
LAST_WORDS_S = 2.0
"""How long to wait for the last lines of a program that has ended."""

_BUILTIN_LOCALE_SINCE = 17
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "50",
    "shared_buffers": "64MB",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # A small disk, and a recovery that reads at most this much.
    "max_wal_size": "512MB",
    "min_wal_size": "80MB",
    # Nothing here replicates by subscription; each of these would be a process.
    "max_logical_replication_workers": "0",
    # Compiling a query costs more than the short queries here take.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "datestyle": "iso, ymd",
    # We read the server's messages during its start.
    "lc_messages": "C",
    "default_text_search_config": "pg_catalog.english",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] ",
    # Terse leaves out DETAIL and CONTEXT, which quote rows: addresses, key digests.
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_checkpoints": "off",
}


def majors_in(data: DataFolder) -> list[int]:
    """Return the major versions that have a cluster in this data folder, newest first."""
    if not data.postgres.is_dir():
        return []
    return sorted(
        (int(folder.name) for folder in data.postgres.iterdir() if folder.name.isdigit()),
        reverse=True,
    )


def settings_folder(data: DataFolder) -> Path:
    return data.postgres / "settings"


def account_for(cluster: Path, run_as: str) -> Account | None:
    """Return the user to drop to, or None where we run as a plain user and stay it.

    PostgreSQL refuses to run as root and insists on owning its cluster, so one that exists decides:
    a folder first used by a plain user still works for that user after root has started on it.
    """
    owner = cluster.stat().st_uid if cluster.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise StartupError(
                f"'{cluster}' belongs to the user {_user_name(owner)}",
                hint="start Tradewind as that user or as root",
            )
        return None
    try:
        entry = pwd.getpwuid(owner) if owner else pwd.getpwnam(run_as)
    except KeyError:
        raise StartupError(
            f"PostgreSQL cannot run as root, and there is no user '{owner or run_as}'",
            hint="set TRADEWIND_POSTGRES_USER to a user of this system",
        ) from None
    if entry.pw_uid == 0:
        raise StartupError(
            "PostgreSQL cannot run as root",
            hint="set TRADEWIND_POSTGRES_USER to another user of this system, such as nobody",
        )
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def make_cluster(
    cluster: Path, installation: Installation, account: Account | None, log: ServerLog
) -> OwnedProcess:
    """Run initdb to its end and put a whole, durable cluster in place. About 0.5 s."""
    making = cluster.with_name(f"{cluster.name}.making")
    if making.exists():
        shutil.rmtree(making)
    making.mkdir(mode=0o700)
    if account is not None:
        os.chown(making, account.uid, account.gid)
    arguments = [
        str(installation.initdb),
        f"--pgdata={making}",
        f"--username={SUPERUSER}",
        "--auth=peer",
        "--encoding=UTF8",
        "--data-checksums",
        "--no-sync",
        "--no-instructions",
        *_locale(installation.major),
    ]
    process = OwnedProcess(arguments, account=account, folders=[making], on_line=log.add)
    process.wait()
    process.wait_for_output(LAST_WORDS_S)
    if process.status != 0:
        raise StartupError(
            f"PostgreSQL could not make its folder '{cluster}': {log.reason()}",
            hint=f"see '{log.path}'",
        )
    _sync_file_system(making)
    making.rename(cluster)
    _sync_file_system(cluster.parent)
    return process


def own_cluster(cluster: Path, account: Account | None) -> None:
    """Give a cluster that root owns (restored from a backup, say) to the user that runs it."""
    if account is None or not cluster.exists() or cluster.stat().st_uid != 0:
        return
    for _, folders, files, descriptor in os.fwalk(cluster, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, account.uid, account.gid, dir_fd=descriptor, follow_symlinks=False)
    # Last, so that a walk that was cut short is taken up again.
    os.chown(cluster, account.uid, account.gid)


def write_settings(data: DataFolder, sockets: Path, overrides: Mapping[str, str]) -> None:
    """Write the three settings files anew."""
    folder = settings_folder(data)
    folder.mkdir(exist_ok=True)
    settings = {**_SETTINGS, "unix_socket_directories": str(sockets), **overrides}
    lines = [f"{name} = {_quote(value)}" for name, value in settings.items()]
    us = _user_name(os.geteuid())
    _replace(folder / "postgresql.conf", lines)
    _replace(folder / "pg_hba.conf", ["local all all peer map=tradewind"])
    _replace(
        folder / "pg_ident.conf",
        [f'tradewind "{us}" {role}' for role in (ROLE, SUPERUSER)],
    )


def server_arguments(installation: Installation, data: DataFolder, cluster: Path) -> list[str]:
    """Return the command line of the server. `cluster` in it also tells whose server it is."""
    folder = settings_folder(data)
    return [
        str(installation.postgres),
        "-D",
        str(cluster),
        "-c",
        f"config_file={folder / 'postgresql.conf'}",
        "-c",
        f"hba_file={folder / 'pg_hba.conf'}",
        "-c",
        f"ident_file={folder / 'pg_ident.conf'}",
    ]


def _locale(major: int) -> list[str]:
    # Order by code point and Unicode's rules for upper and lower case. From 17 on PostgreSQL has
    # them built in, so that no update of the system's C library can break an index.
    if major >= _BUILTIN_LOCALE_SINCE:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8"]


def _user_name(uid: int | None) -> str:
    try:
        name = pwd.getpwuid(uid if uid is not None else os.geteuid()).pw_name
    except KeyError:
        raise StartupError(
            f"the user with the number {uid} has no name, and PostgreSQL needs one",
            hint="add the user to /etc/passwd, or set DATABASE_URL",
        ) from None
    if re.search(r'["\s/]', name):
        raise StartupError(
            f"PostgreSQL cannot admit a user named {name!r}", hint="start Tradewind as another user"
        )
    return name


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _replace(path: Path, lines: list[str]) -> None:
    # By way of a new file: never through a link that somebody put at `path`.
    descriptor, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(
            "# Written by Tradewind at each start. Use ALTER SYSTEM for your own settings.\n"
        )
        file.writelines(line + "\n" for line in lines)
    Path(name).chmod(0o644)
    Path(name).replace(path)


def _sync_file_system(folder: Path) -> None:
    # One flush of the file system in place of initdb's thousand calls of fsync.
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
