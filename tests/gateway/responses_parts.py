"""A gateway whose responses are stored by the real store over PostgreSQL, and what asks it."""

import json

from gateway_parts import World, event_of, text_event, usage_event, whole_answer

from tradewind.core import api_keys
from tradewind.snapshot import file
from tradewind.snapshot.contents import Grant, Snapshot, Terms

__all__ = ["ResponsesWorld", "streamed", "text_of", "whole_answer"]


class ResponsesWorld(World):
    """Publishes terms too, and keys of other owners."""

    def publish_for(self, target, *, days=None, grants=()):
        self.version += 1
        terms = () if days is None else (Terms("org_a", response_days=days),)
        endpoint = self.endpoint(target, context_tokens=1_000_000)
        snapshot = Snapshot(self.version, 1, (self.grant, *grants), (endpoint,), terms)
        file.write(self.snapshot_path, snapshot)

    def other_key(self, pepper, *, organization="org_a", project="proj_a"):
        """Return another key and its grant."""
        key = api_keys.mint(pepper)
        return key.text, Grant(key.key_id, key.digest, organization, project)

    async def ask(self, method, path="", key="", **members):
        """Ask below /v1/responses; return the answer."""
        body = json.dumps(members).encode() if members else b""
        client = await self.client()
        return await client.call(method, f"/v1/responses{path}", body, key=key)

    async def create(self, input_="Hello", key="", **members):
        return await self.ask("POST", key=key, model="small", input=input_, **members)


async def streamed(call, *texts):
    """Answer a call of the gateway with a stream of these texts."""
    ending = event_of(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    await call.stream(*map(text_event, texts), ending, usage_event(10, 4, 3), b"data: [DONE]\n\n")


def text_of(response):
    return "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
    )
