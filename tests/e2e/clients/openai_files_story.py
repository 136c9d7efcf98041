"""The official OpenAI client with files: uploaded, listed, asked about, read back and deleted."""

import openai
from chapters import KEY, MODEL, TIMEOUT_S, URL, chapter, tell
from openai import AzureOpenAI, OpenAI

client = OpenAI(base_url=f"{URL}/v1", api_key=KEY, timeout=TIMEOUT_S, max_retries=0)
azure = AzureOpenAI(
    azure_endpoint=URL,
    api_key=KEY,
    api_version="2024-10-21",
    timeout=TIMEOUT_S,
    max_retries=0,
)
CONTENT = bytes(range(256)) * 500


@chapter
def files():
    made = client.files.create(file=("ledger.bin", CONTENT), purpose="user_data")
    kept = client.files.retrieve(made.id)
    page = client.files.list(limit=1, purpose="user_data")
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is in it?"},
                    {"type": "file", "file": {"file_id": made.id}},
                ],
            }
        ],
    )
    content = client.files.content(made.id).read()
    deleted = client.files.delete(made.id)
    try:
        client.files.retrieve(made.id)
        missing = None
    except openai.NotFoundError as error:
        missing = error.code
    return {
        "made": made.to_dict(),
        "is_kept": kept == made,
        "listed": [file.id for file in page],
        "text": answer.choices[0].message.content,
        "is_read_back": content == CONTENT,
        "deleted": deleted.to_dict(),
        "missing": missing,
    }


@chapter
def azure_files():
    made = azure.files.create(file=("notes.jsonl", b"{}\n"), purpose="batch")
    content = azure.files.content(made.id).read()
    listed = [file.id for file in azure.files.list()]
    return {
        "content": content.decode(),
        "is_listed": made.id in listed,
        "deleted": azure.files.delete(made.id).deleted,
    }


@chapter
def somebody_elses_file():
    try:
        client.files.content("file-fake1")
    except openai.NotFoundError as error:
        return {"code": error.code, "param": error.param}
    return None


tell()
