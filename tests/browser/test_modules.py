"""The pure modules of the pages, run where they run: in the browser, against the platform's own
rules.
"""

import random

import pytest

from tradewind.core.money import rate_nanos
from tradewind.portal.formats import exact_spend

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def page(tab):
    return tab.open("/")


def test_money_is_rated_as_the_gateway_rates_it(page):
    numbers = random.Random(8812)
    cases = [
        [(numbers.randrange(10**7), numbers.randrange(10**11)) for _ in range(3)]
        for _ in range(300)
    ]
    # Halves, which round to even: 0.5, 1.5 and 2.5 nanos.
    cases += [[(1, 500_000)], [(3, 500_000)], [(5, 500_000)], [(0, 0)]]

    rated = page.evaluate(
        """async (cases) => {
            const { rateNanos } = await import("/static/money.js");
            return cases.map((lines) => String(rateNanos(lines)));
        }""",
        cases,
    )

    assert [int(text) for text in rated] == [rate_nanos(*lines) for lines in cases]


def test_money_is_written_exactly(page):
    amounts = [0, 1, 10, 5_260, 10**9, 123_456_789_012_345_678, 1_500_000_000, 2**63 - 1]

    written = page.evaluate(
        """async (amounts) => {
            const { formatNanos } = await import("/static/money.js");
            return amounts.map((nanos) => formatNanos(nanos, { symbol: "$", currency: "USD" }));
        }""",
        [str(nanos) for nanos in amounts],
    )

    assert written == [exact_spend(nanos, "USD") for nanos in amounts]


STREAM = (
    ': a comment\r\n\r\ndata: {"a":1}\n\ndata:second\ndata: line\r\n\r\n'
    "event: ping\ndata: naïve 🌬\n\ndata: [DONE]\n\n"
)
EVENTS = ['{"a":1}', "second\nline", "naïve 🌬", "[DONE]"]


def test_an_event_stream_reads_the_same_however_it_is_cut(page):
    results = page.evaluate(
        """async (stream) => {
            const { readEvents } = await import("/static/event-stream.js");
            const bytes = new TextEncoder().encode(stream);
            const results = [];
            for (let cut = 0; cut <= bytes.length; cut += 1) {
                const parts = [bytes.slice(0, cut), bytes.slice(cut)];
                const body = new ReadableStream({
                    start(controller) {
                        for (const part of parts) controller.enqueue(part);
                        controller.close();
                    },
                });
                const events = [];
                for await (const event of readEvents(body)) events.push(event);
                results.push(events);
            }
            return results;
        }""",
        STREAM,
    )

    assert all(events == EVENTS for events in results)
    assert len(results) == len(STREAM.encode()) + 1


MARKDOWN = """\
# Title with `code`

First line
second **bold** and *it*, [a link](https://example.org/a?b=c) and [not one](javascript:alert)
- an item
- another
  that goes on
  1. inside
  2. inside too

> quoted
> twice

| a | b |
|---|:-:|
| 1 | **2** |

---
```js
const x = "**not bold**";

# not a title
```
~~~
unfinished <b>fence</b>
"""


def test_a_streamed_answer_ends_up_as_the_same_nodes_however_it_is_cut(page):
    whole, cut = page.evaluate(
        """async (source) => {
            const { renderBlocks } = await import("/static/markdown.js");
            const { MarkdownStream } = await import("/static/markdown-stream.js");
            const html = (nodes) => {
                const box = document.createElement("div");
                box.append(...nodes);
                return new XMLSerializer().serializeToString(box);
            };
            const whole = html(renderBlocks(source));
            const cut = new Set();
            for (let size = 1; size <= source.length; size += 1) {
                const box = document.createElement("div");
                const stream = new MarkdownStream(box, () => undefined);
                for (let at = 0; at < source.length; at += size) {
                    stream.push(source.slice(at, at + size));
                    if (size > 12) stream.finish();
                }
                stream.finish();
                cut.add(new XMLSerializer().serializeToString(box));
            }
            return [whole, [...cut]];
        }""",
        MARKDOWN,
    )

    assert cut == [whole]


def test_markdown_becomes_the_nodes_it_means_and_no_others(page):
    html = page.evaluate(
        """async (source) => {
            const { renderBlocks } = await import("/static/markdown.js");
            const box = document.createElement("div");
            box.append(...renderBlocks(source));
            return box.innerHTML;
        }""",
        MARKDOWN,
    )

    for expected in (
        "<h3>Title with <code>code</code></h3>",
        "<p>First line<br>second <strong>bold</strong> and <em>it</em>, ",
        '<a href="https://example.org/a?b=c" target="_blank" rel="noopener noreferrer">a link</a>',
        "[not one](javascript:alert)</p>",
        "<ul><li>an item</li><li>another that goes on<ol",
        '<ol start="1"><li>inside</li><li>inside too</li></ol></li></ul>',
        "<blockquote><p>quoted</p><p>twice</p></blockquote>",
        "<th>a</th><th>b</th>",
        "<td>1</td><td><strong>2</strong></td>",
        "<hr>",
        '<code>const x = "**not bold**";\n\n# not a title</code>',
        "<code>unfinished &lt;b&gt;fence&lt;/b&gt;\n</code>",
    ):
        assert expected in html, html


@pytest.mark.parametrize("character", ["[", "*", "`", "|", "#", "> ", "- ", "```\n", "[a](", "**"])
def test_no_answer_can_make_the_page_hang(page, character: str):
    """Quadratic patterns would take minutes here; the limit of the test is the bound."""
    page.evaluate(
        """async (source) => {
            const { renderBlocks } = await import("/static/markdown.js");
            renderBlocks(source);
        }""",
        character * 100_000,
    )


def test_what_policies_found_is_told_and_what_is_safe_is_not(page):
    chunks = [
        {
            "prompt_filter_results": [
                {
                    "prompt_index": 0,
                    "content_filter_results": {
                        "hate": {"filtered": False, "severity": "safe"},
                        "violence": {"filtered": False, "severity": "low"},
                        "jailbreak": {"filtered": False, "detected": False},
                        "pii": {"filtered": False, "detected": True, "redacted": True},
                    },
                }
            ],
            "choices": [],
        },
        {"choices": [{"delta": {"content": "Hi"}}]},
        {
            "choices": [
                {
                    "delta": {},
                    "finish_reason": "content_filter",
                    "content_filter_results": {
                        "violence": {"filtered": True, "severity": "high"},
                        "error": {"code": "content_filter_error", "message": "m"},
                    },
                }
            ]
        },
    ]
    told = page.evaluate(
        """async (chunks) => {
            const { FilterNotes, showFilterNotes } = await import("/static/filter-notes.js");
            const filters = new FilterNotes();
            chunks.forEach((chunk) => filters.take(chunk));
            const message = document.createElement("div");
            showFilterNotes(message, filters);
            return [...message.querySelectorAll("li")].map((item) => item.textContent);
        }""",
        chunks,
    )
    assert told == [
        "A policy ended this answer",
        "Prompt: Violence, low",
        "Prompt: Personal data, found, taken out",
        "Answer: Violence, high, blocked",
        "Answer: A check, could not tell",
    ]
