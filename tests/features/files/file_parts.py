"""Files at providers, for tests."""

from datetime import UTC, datetime, timedelta

from tradewind.wire.stored_files import FileList, FileOwner, StoredFile

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def milliseconds(at):
    return round(at.timestamp() * 1000)


def id_of(number):
    return f"file-{number:026d}"


def kept_file(number=1, *, org="org_a", project="proj_a", **members):
    values = {
        "connection_id": "conn_1",
        "provider_file_id": f"file-theirs-{org}-{project}-{number}",
        "model": "tw/small",
        "name": "notes.txt",
        "purpose": "assistants",
        "bytes": 12,
        "status": "processed",
        "created_at_ms": milliseconds(NOW) + number,
        **members,
    }
    return StoredFile(org, project, id_of(number), **values)


def owner(org="org_a", project="proj_a"):
    return FileOwner(org, project)


def listed(**members):
    return FileList(**({"owner": owner(), "limit": 10} | members))
