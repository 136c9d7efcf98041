"""Records of files, as this gateway reaches them: in the control plane, which alone says whose a
file is. Nothing is kept here, so that what was deleted is gone everywhere at once.
"""

from collections.abc import Callable, Sequence

from tradewind.core.ids import encode_base32, uuid7_bytes
from tradewind.gateway.backstage import Backstage, BackstageAnswer
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError, unavailable
from tradewind.wire.stored_files import (
    MOST_FILES_A_PROJECT,
    FileList,
    FileOwner,
    FoundFiles,
    NamedFiles,
    NotKept,
    StoredFile,
    decode_found,
    decode_refusal,
    encode,
)

Found = Callable[[FoundFiles | ApiError | None], None]
"""None only where a file was named to go on after, and is not there."""
Kept = Callable[[NotKept | ApiError | None], None]


def new_file_id() -> str:
    return "file-" + encode_base32(uuid7_bytes())


class FilesStore:
    def __init__(self, backstage: Backstage) -> None:
        self._backstage = backstage

    def check_room(self, owner: FileOwner, checked: Kept) -> None:
        """Tell whether one more file may be kept now: None when it may."""
        self._backstage.ask(
            "POST", "/files/room", encode(owner), lambda answer: checked(_kept(answer))
        )

    def keep(self, file: StoredFile, kept: Kept) -> None:
        """Record a file: None when it is. After an error nobody knows whether it is recorded."""
        self._backstage.ask("PUT", "/files", encode(file), lambda answer: kept(_kept(answer)))

    def find(self, owner: FileOwner, ids: Sequence[str], found: Found) -> None:
        """Find those of the files that are there."""
        self._ask("/files/find", NamedFiles(owner, list(ids)), found)

    def find_page(self, asked: FileList, found: Found) -> None:
        """Find one page; None when the file that it should come after is not there."""
        self._ask("/files/list", asked, found)

    def forget(
        self, owner: FileOwner, id_: str, forgotten: Callable[[ApiError | None], None]
    ) -> None:
        """Delete the record, if there is one."""

        def answered(answer: BackstageAnswer) -> None:
            forgotten(None if answer.status in (204, 404) else _away())

        self._backstage.ask("POST", "/files/delete", encode(NamedFiles(owner, [id_])), answered)

    def _ask(self, path: str, question: NamedFiles | FileList, found: Found) -> None:
        def answered(answer: BackstageAnswer) -> None:
            if answer.status == 404 and isinstance(question, FileList) and question.after:
                found(None)
                return
            try:
                found_files = decode_found(answer.body) if answer.status == 200 else None
            except UNREADABLE:
                found_files = None
            found(_away() if found_files is None else found_files)

        self._backstage.ask("POST", path, encode(question), answered)


def too_many_files() -> ApiError:
    return ApiError(
        409,
        f"This project has {MOST_FILES_A_PROJECT} files, which is as many as it may have. Delete "
        "some, or upload with `expires_after` so that they go by themselves.",
        code="too_many_files",
    )


def _kept(answer: BackstageAnswer) -> NotKept | ApiError | None:
    if answer.status == 204:
        return None
    try:
        return decode_refusal(answer.body).why if answer.status == 409 else _away()
    except UNREADABLE:
        return _away()


def _away() -> ApiError:
    return unavailable("Files cannot be reached right now.", code="files_unavailable")
