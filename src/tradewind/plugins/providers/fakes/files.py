"""A fake of OpenAI's Files API: it keeps what is uploaded, in memory.

Source: OpenAI's API reference, "Files".
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

from tradewind.plugins.providers.fakes.base import FakeReply, FakeRequest, Json, whole
from tradewind.wire import forms
from tradewind.wire.errors import ApiError

_CREATED_AT = 1_700_000_000


class FakeFile(NamedTuple):
    name: str
    purpose: str
    content: bytes
    expires_after_s: int | None


class FakeFiles:
    def __init__(self, upload_status: int = 200) -> None:
        self.kept: dict[str, FakeFile] = {}
        """By the host's own ids."""
        self._numbers = itertools.count(1)
        self._upload_status = upload_status

    def reply(
        self, request: FakeRequest, path: str, failure: Callable[[int, str], FakeReply]
    ) -> FakeReply:
        """Answer a request to `path`, behind the place of the files. Raises as a vendor does."""
        id_, _, part = path.removeprefix("/").partition("/")
        match request.method, bool(id_), part:
            case "POST", False, "":
                return self._upload(request)
            case "GET", False, "":
                return whole(200, {"object": "list", "data": [*map(self._shown, self.kept)]})
            case (("GET" | "DELETE"), True, ("" | "content")):
                if id_ not in self.kept:
                    return failure(404, f"No such File object: {id_}")
            case _:
                return failure(405, f"There is no {request.method} {request.path}.")
        if request.method == "DELETE":
            del self.kept[id_]
            return whole(200, {"id": id_, "object": "file", "deleted": True})
        if part == "content":
            content = self.kept[id_].content
            pieces = tuple(content[place : place + 1024] for place in range(0, len(content), 1024))
            return FakeReply(200, "application/octet-stream", pieces, is_stream=True)
        return whole(200, self._shown(id_))

    def _upload(self, request: FakeRequest) -> FakeReply:
        try:
            form = forms.parse(request.body, request.headers["content-type"].encode())
        except ApiError as error:
            raise ValueError(error.message) from error
        [part] = [part for part in form.parts if part.name == "file"]
        texts = form.texts
        if "model" in texts:
            raise ValueError("an upload names no model")
        if texts.get("expires_after[anchor]", "created_at") != "created_at":
            raise ValueError("expires_after[anchor]")
        seconds = texts.get("expires_after[seconds]")
        id_ = f"file-fake{next(self._numbers)}"
        self.kept[id_] = FakeFile(
            (part.file_name or b"").decode(),
            texts["purpose"],
            bytes(part.content),
            None if seconds is None else int(seconds),
        )
        return whole(self._upload_status, self._shown(id_))

    def _shown(self, id_: str) -> Json:
        file = self.kept[id_]
        expires: Json = {}
        if file.expires_after_s is not None:
            # Long after any test: the clock of a fake is its own.
            expires = {"expires_at": 4_000_000_000 + file.expires_after_s}
        return {
            "id": id_,
            "object": "file",
            "bytes": len(file.content),
            "created_at": _CREATED_AT,
            "filename": file.name,
            "purpose": file.purpose,
            "status": "processed",
            **expires,
        }
