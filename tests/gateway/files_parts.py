"""A gateway with files: two accounts at fake hosts, and the real records over PostgreSQL."""

import json

from gateway_parts import MODEL, PEPPER, World

from tradewind.core import api_keys
from tradewind.plugins.providers.fakes.host import FakeHost
from tradewind.plugins.providers.fakes.registry import fakes
from tradewind.snapshot import file
from tradewind.snapshot.contents import Grant, Snapshot

BOUNDARY = "xYzZY"


def form_of(content=b"Hello", *, name="notes.txt", **texts):
    """A form with a file; `content` None leaves it out."""
    written = ""
    for field, text in ({"purpose": "assistants"} | texts).items():
        if text is not None:
            written += f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{field}"\r\n\r\n'
            written += f"{text}\r\n"
    raw = written.encode()
    if content is not None:
        head = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="{name}"'
        raw += f"{head}\r\ncontent-type: text/plain\r\n\r\n".encode() + content + b"\r\n"
    return raw + f"--{BOUNDARY}--\r\n".encode()


class FilesWorld(World):
    """Its hosts are entered by the fixture; `publish_at` says which models are where."""

    def host(self, provider="openai", fault=None):
        return FakeHost(fakes()[provider], *([] if fault is None else [fault]))

    def at(self, host, connection, **changes):
        """Return a target at an account of the host."""
        vendor = host.vendor
        return self.target(
            host.address,
            f"tgt_{connection}_{changes.get('tier', 0)}",
            vendor.name,
            **{
                "deployment_id": connection,
                "credential": vendor.credential,
                "upstream_model": vendor.model,
                "base_path": vendor.base_path,
                "host": vendor.name,
            }
            | changes,
        )

    def publish_all(self, *endpoints, grants=(), terms=()):
        self.version += 1
        snapshot = Snapshot(self.version, 1, (self.grant, *grants), endpoints, terms)
        file.write(self.snapshot_path, snapshot)

    def other_key(self, *, organization="org_a", project="proj_a", models=None):
        """Return another key and its grant."""
        key = api_keys.mint(PEPPER)
        return key.text, Grant(key.key_id, key.digest, organization, project, models=models)

    async def files(self, method, path="", *, key="", body=b"", headers=(), prefix="/v1"):
        client = await self.client()
        return await client.call(method, f"{prefix}/files{path}", body, key=key, headers=headers)

    async def upload(self, content=b"Hello", *, query="", headers=(), **more):
        options = {name: more.pop(name) for name in ("key", "prefix") if name in more}
        kind = ("content-type", f"multipart/form-data; boundary={BOUNDARY}")
        return await self.files(
            "POST", query, body=form_of(content, **more), headers=[kind, *headers], **options
        )

    async def ask_about(self, *ids, model=MODEL, key="", part=None):
        """Ask a question of chat about files; return the answer."""
        parts = [part or {"type": "file", "file": {"file_id": id_}} for id_ in ids or ("",)]
        body = {"model": model, "messages": [{"role": "user", "content": parts}]}
        client = await self.client()
        return await client.call("POST", "/v1/chat/completions", json.dumps(body).encode(), key=key)
