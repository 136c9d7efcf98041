"""Programs that call a model and run when pasted: they hold the real base URL and the real model
name, and read the key from the environment, so that no key ever lands in a file.

Pure. The playground writes the same programs for a whole conversation in `static/samples.js`; a
test runs both.
"""

import json
import re
from typing import NamedTuple

from tradewind.snapshot.contents import Operation

KEY_VARIABLE = "TRADEWIND_API_KEY"
_QUESTION = "What is a trade wind? Answer in one sentence."


class Span(NamedTuple):
    """A piece of code and what it is: `string`, `comment`, `keyword` or plain text."""

    kind: str
    text: str


class Sample(NamedTuple):
    """One program. `code` is what the copy button copies, `spans` the same text in colours."""

    language: str
    label: str
    code: str
    spans: list[Span]


def samples(operation: str, *, model: str, base_url: str) -> list[Sample]:
    """Return curl, Python and JavaScript for one model. `base_url` ends in `/v1`."""
    if operation == Operation.EMBEDDINGS:
        written = _embeddings(model, base_url)
    else:
        written = _chat(model, base_url)
    return [
        Sample(language, label, code, highlight(code))
        for (language, label), code in zip(_LANGUAGES, written, strict=True)
    ]


_LANGUAGES = (("curl", "curl"), ("python", "Python"), ("javascript", "JavaScript"))


def _chat(model: str, base_url: str) -> tuple[str, str, str]:
    body = {"model": model, "messages": [{"role": "user", "content": _QUESTION}]}
    python = f"""\
# pip install openai
import os

from openai import OpenAI

client = OpenAI(
    base_url={_quoted(base_url)},
    api_key=os.environ["{KEY_VARIABLE}"],
)
reply = client.chat.completions.create(
    model={_quoted(model)},
    messages=[{{"role": "user", "content": {_quoted(_QUESTION)}}}],
)
print(reply.choices[0].message.content)
"""
    return (
        _curl(f"{base_url}/chat/completions", body),
        python,
        _javascript(
            f"{base_url}/chat/completions", body, "console.log(reply.choices[0].message.content);"
        ),
    )


def _embeddings(model: str, base_url: str) -> tuple[str, str, str]:
    texts = ["steady easterly winds", "a ship under sail"]
    body = {"model": model, "input": texts}
    python = f"""\
# pip install openai
import os

from openai import OpenAI

client = OpenAI(
    base_url={_quoted(base_url)},
    api_key=os.environ["{KEY_VARIABLE}"],
)
reply = client.embeddings.create(
    model={_quoted(model)},
    input={json.dumps(texts)},
)
for item in reply.data:
    print(item.index, item.embedding[:4])
"""
    return (
        _curl(f"{base_url}/embeddings", body),
        python,
        _javascript(
            f"{base_url}/embeddings",
            body,
            "for (const item of reply.data) console.log(item.index, item.embedding.slice(0, 4));",
        ),
    )


def _curl(url: str, body: object) -> str:
    # One argument in single quotes; a quote inside it ends, escapes and reopens them.
    data = json.dumps(body, ensure_ascii=False, indent=2).replace("'", "'\\''")
    return f"""\
curl {url} \\
  -H "Authorization: Bearer ${KEY_VARIABLE}" \\
  -H "Content-Type: application/json" \\
  -d '{data}'
"""


def _javascript(url: str, body: object, last_line: str) -> str:
    # fetch is built into Node, Deno and Bun, so there is nothing to install; without an import the
    # program also runs when pasted at the prompt of Node.
    data = json.dumps(body, ensure_ascii=False, indent=2).replace("\n", "\n  ")
    return f"""\
const response = await fetch({_quoted(url)}, {{
  method: "POST",
  headers: {{
    "Authorization": `Bearer ${{process.env.{KEY_VARIABLE}}}`,
    "Content-Type": "application/json",
  }},
  body: JSON.stringify({data}),
}});
if (!response.ok) throw new Error(await response.text());
const reply = await response.json();
{last_line}
"""


def _quoted(text: str) -> str:
    # A JSON string is also a literal of Python and of JavaScript.
    return json.dumps(text, ensure_ascii=False)


_TOKEN = re.compile(
    r"""
    (?P<comment> ^\#.*$ )
  | (?P<string> "(?:[^"\\\n]|\\.)*" | `[^`]*` )
  | (?P<keyword> \b(?:from|import|for|in|print|const|await|new|if|throw|of|curl)\b )
    """,
    re.VERBOSE | re.MULTILINE,
)


def highlight(code: str) -> list[Span]:
    """Return `code` in pieces; joined they are `code` again."""
    spans: list[Span] = []
    position = 0
    for match in _TOKEN.finditer(code):
        if match.start() > position:
            spans.append(Span("plain", code[position : match.start()]))
        assert match.lastgroup is not None
        spans.append(Span(match.lastgroup, match[0]))
        position = match.end()
    if position < len(code):
        spans.append(Span("plain", code[position:]))
    return spans
