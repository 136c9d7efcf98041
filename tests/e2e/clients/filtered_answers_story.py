"""What one official client makes of answers that policies ended: `python … CLIENT PORT`.

The path of the base address names the case, so that the server knows what to say.
"""

# pyright: reportMissingImports=false
# ruff: noqa: PLC0415  each client stands alone in its environment

import json
import sys
from typing import Any

MESSAGES: Any = [{"role": "user", "content": "Hello"}]
STREAMS = ("blocked", "retracted", "fine")


def openai(port: int) -> dict[str, Any]:
    import openai as client

    seen: dict[str, Any] = {}
    for case in STREAMS:
        for kind in ("openai", "azure"):
            base = f"http://127.0.0.1:{port}/{kind}-{case}"
            caller = client.OpenAI(base_url=base, api_key="k", max_retries=0)
            text, finish = "", None
            stream = caller.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            for chunk in stream:
                for choice in chunk.choices:
                    text += (choice.delta.content or "") if choice.delta else ""
                    finish = choice.finish_reason or finish
            seen[f"{kind}-{case}"] = [text, finish]
        base = f"http://127.0.0.1:{port}/responses-{case}"
        caller = client.OpenAI(base_url=base, api_key="k", max_retries=0)
        events: Any = list(caller.responses.create(model="m", input="Hello", stream=True))
        response = events[-1].response
        reason = response.incomplete_details.reason if response.incomplete_details else None
        seen[f"responses-{case}"] = [response.output_text, reason]
    caller = client.OpenAI(
        base_url=f"http://127.0.0.1:{port}/openai-refused", api_key="k", max_retries=0
    )
    try:
        caller.chat.completions.create(model="m", messages=MESSAGES)
    except client.BadRequestError as error:
        seen["refused"] = [error.code, error.param]
    return seen


def anthropic(port: int) -> dict[str, Any]:
    import anthropic as client

    seen: dict[str, Any] = {}
    for case in STREAMS:
        base = f"http://127.0.0.1:{port}/messages-{case}"
        caller = client.Anthropic(base_url=base, api_key="k", max_retries=0)
        with caller.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as stream:
            text = "".join(stream.text_stream)
            seen[f"messages-{case}"] = [text, stream.get_final_message().stop_reason]
    caller = client.Anthropic(
        base_url=f"http://127.0.0.1:{port}/messages-refused", api_key="k", max_retries=0
    )
    try:
        caller.messages.create(model="m", max_tokens=9, messages=MESSAGES)
    except client.BadRequestError as error:
        body: Any = error.body
        seen["refused"] = [body["error"]["code"], body["error"]["type"]]
    return seen


def google_genai(port: int) -> dict[str, Any]:
    from google.genai import Client, errors, types

    def caller(case: str) -> Any:
        options = types.HttpOptions(base_url=f"http://127.0.0.1:{port}/gemini-{case}")
        return Client(api_key="k", http_options=options)

    seen: dict[str, Any] = {}
    for case in STREAMS:
        text, finish = "", None
        genai_client = caller(case)  # it closes itself when nobody holds it
        for chunk in genai_client.models.generate_content_stream(model="m", contents="Hello"):
            for candidate in chunk.candidates or ():
                text += chunk.text or ""
                finish = candidate.finish_reason or finish
        seen[f"gemini-{case}"] = [text, finish and finish.value]
    genai_client = caller("refused")
    try:
        genai_client.models.generate_content(model="m", contents="Hello")
    except errors.ClientError as error:
        seen["refused"] = [error.code, error.status]
    return seen


def azure_ai_inference(port: int) -> dict[str, Any]:
    from azure.ai.inference import ChatCompletionsClient
    from azure.core.credentials import AzureKeyCredential
    from azure.core.exceptions import HttpResponseError
    from azure.core.pipeline.policies import AzureKeyCredentialPolicy

    key = AzureKeyCredential("k")

    def caller(case: str) -> Any:
        return ChatCompletionsClient(
            endpoint=f"http://127.0.0.1:{port}/inference-{case}",
            credential=key,
            # The client's own sends a key over TLS only.
            authentication_policy=AzureKeyCredentialPolicy(key, "api-key"),
        )

    seen: dict[str, Any] = {}
    for case in STREAMS:
        text, finish = "", None
        for update in caller(case).complete(messages=MESSAGES, model="m", stream=True):
            for choice in update.choices or ():
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
        seen[f"inference-{case}"] = [text, finish and str(finish.value)]
    try:
        caller("refused").complete(messages=MESSAGES, model="m")
    except HttpResponseError as error:
        seen["refused"] = [error.status_code, error.error and error.error.code]
    return seen


STORIES = {
    "openai-2": openai,
    "openai-3": openai,
    "anthropic": anthropic,
    "google-genai": google_genai,
    "azure-ai-inference": azure_ai_inference,
}

if __name__ == "__main__":
    print(json.dumps(STORIES[sys.argv[1]](int(sys.argv[2]))))
