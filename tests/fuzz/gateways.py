"""A gateway that can do every operation, answered by the shipped fake host."""

import contextlib

from gateway_parts import World
from scripted_upstream import ScriptedUpstream

from tradewind.plugins.providers.fakes.host import FakeHost, Fault
from tradewind.plugins.providers.fakes.registry import fakes
from tradewind.snapshot.contents import OPERATIONS_OF, Endpoint, Operation
from tradewind.wire import safety_references, stored_files
from tradewind.wire.stored_responses import Chain, decode_place, decode_stored, encode

PATHS = {
    "images/edits": Operation.IMAGE_EDITS,
    "images/generations": Operation.IMAGES,
    "audio/speech": Operation.SPEECH,
    "audio/transcriptions": Operation.TRANSCRIPTION,
    "audio/translations": Operation.TRANSLATION,
    "chat/completions": Operation.CHAT,
    "completions": Operation.COMPLETIONS,
    "embeddings": Operation.EMBEDDINGS,
    "moderations": Operation.MODERATIONS,
    "rerank": Operation.RERANK,
    "messages": Operation.CHAT,
    "count_tokens": Operation.CHAT,
    "responses": Operation.CHAT,
    "admission:check": Operation.CHAT,
}


class Everything(World):
    """One model of each kind."""

    models: dict[str, str]
    """By how the path of an operation ends."""
    endpoints: tuple[Endpoint, ...]
    host: FakeHost
    response_id: str
    """Of a response that is stored."""


class MemoryStore:
    """Keeps responses and files as the control plane does, in memory; it has no safety data."""

    def __init__(self):
        self.stored = {}
        self.files = {}

    async def __call__(self, call):
        path = call.head.split(b" ")[1].decode()
        if path.startswith("/files"):
            await self._about_files(call, path)
            return
        if path == "/safety/references":
            await call.answer(safety_references.encode(safety_references.Found([])))
            return
        path = path.removeprefix("/responses")
        if path in ("", "/ended"):
            stored = decode_stored(call.body)
            self.stored[stored.key] = stored
            await call.answer(b"", status=204)
        elif path == "/renew":
            await call.answer(b"", status=204)
        elif path in ("/find", "/chain", "/delete"):
            await self._found(call, path, decode_place(call.body))
        else:
            await call.answer(b"", status=404)

    async def _about_files(self, call, path):
        if path == "/files":
            file = stored_files.decode_file(call.body)
            self.files[file.id] = file
            await call.answer(b"", status=204)
        elif path == "/files/room":
            await call.answer(b"", status=204)
        elif path == "/files/list":
            asked = stored_files.decode_list(call.body)
            found = stored_files.FoundFiles(list(self.files.values())[: asked.limit])
            await call.answer(stored_files.encode(found))
        else:
            ids = stored_files.decode_names(call.body).ids
            if path == "/files/delete":
                is_there = [self.files.pop(id_, None) is not None for id_ in ids]
                await call.answer(b"", status=204 if any(is_there) else 404)
                return
            found = stored_files.FoundFiles([self.files[id_] for id_ in ids if id_ in self.files])
            await call.answer(stored_files.encode(found))

    async def _found(self, call, path, place):
        stored = self.stored.get(place.key)
        if stored is None:
            await call.answer(b"", status=404)
        elif path == "/delete":
            del self.stored[place.key]
            await call.answer(b"", status=204)
        else:
            await call.answer(encode(stored if path == "/find" else Chain([stored])))


@contextlib.asynccontextmanager
async def every_operation(folder, store=None):
    """`store` answers what the gateway asks of the control plane."""
    folder.mkdir()
    async with (
        FakeHost(fakes()["openai_compatible"], Fault.NONE) as host,
        ScriptedUpstream(store or MemoryStore()) as backstage,
    ):
        world = Everything(folder, backstage=backstage.address)
        target = world.target(
            host.address,
            credential=host.vendor.credential,
            upstream_model=host.vendor.model,
            base_path=host.vendor.base_path,
        )
        kinds = sorted(OPERATIONS_OF)
        world.endpoints = tuple(
            world.endpoint(
                target, name=f"tw/{kind}", operation=kind, aliases=(), context_tokens=1_000_000
            )
            for kind in kinds
        )
        world.publish(*world.endpoints)
        world.host = host
        world.models = {
            path: next(f"tw/{kind}" for kind in kinds if operation in OPERATIONS_OF[kind])
            for path, operation in PATHS.items()
        }
        await world.start()
        try:
            yield world
        finally:
            await world.stop()
