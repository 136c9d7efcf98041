"""Write the shipped list of embedding models from a wheel of `mteb`: `pack_embedders WHEEL`.

The package needs torch to be imported; its facts are literals in its source, and are read as such.
What is kept: open weights on the Hugging Face hub that take text and give one vector, or a score.
"""

import ast
import gzip
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_TARGET = Path("src/tradewind/plugins/sources/data/mteb-models.jsonl.gz")
_HUB = "huggingface."
_FACTS = "mteb/models/model_implementations/"
_NOT_OF_MAKERS = ("mteb/", "baseline/", "exp-models/")
# Models for something else, which the benchmark has answer as well as they can.
_NOT_EMBEDDERS = frozenset(
    {
        *("google/flan-t5-base", "google/flan-t5-large", "meta-llama/Llama-2-7b-chat-hf"),
        *("microsoft/speecht5_tts", "mistralai/Mistral-7B-Instruct-v0.2", "nvidia/omnivinci"),
        *("nvidia/audio-flamingo-3-hf", "Qwen/Qwen2-Audio-7B", "Qwen/Qwen2.5-Omni-3B"),
        *("Qwen/Qwen2.5-Omni-7B", "Qwen/Qwen3-Omni-30B-A3B-Captioner"),
        *("Qwen/Qwen3-Omni-30B-A3B-Instruct", "Qwen/Qwen3-Omni-30B-A3B-Thinking"),
    }
)
_KINDS = {"dense": "embeddings", "cross-encoder": "rerank"}
_KEPT = ("license", "release_date", "n_parameters", "embed_dim", "max_tokens", "modalities")


def main() -> None:
    wheel = Path(sys.argv[1])
    with zipfile.ZipFile(wheel) as archive:
        sources = [
            archive.read(name).decode()
            for name in sorted(archive.namelist())
            if name.startswith(_FACTS) and name.endswith(".py")
        ]
    lines = {line["name"].lower(): line for source in sources for line in _lines(source)}
    text = "".join(f"{json.dumps(line)}\n" for _, line in sorted(lines.items()))
    _TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{len(lines)} models, {_TARGET.stat().st_size} bytes")


def _lines(source: str) -> Iterator[dict[str, Any]]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "ModelMeta":
            continue
        told = {keyword.arg: _literal(keyword.value) for keyword in node.keywords if keyword.arg}
        kind = _KINDS.get((told.get("model_type") or ["dense"])[0])
        name, reference = told.get("name") or "", told.get("reference") or ""
        is_on_hub = "/" in name and urlsplit(reference.lower()).path == f"/{name}".lower()
        is_on_hub = is_on_hub and (urlsplit(reference).hostname or "").startswith(_HUB)
        takes_text = "text" in (told.get("modalities") or ["text"])
        has_size = bool(told.get("embed_dim")) or kind == "rerank"
        if not (kind and told.get("open_weights") and is_on_hub and takes_text and has_size):
            continue
        if name.startswith(_NOT_OF_MAKERS) or name in _NOT_EMBEDDERS:
            continue
        yield {"name": name, "kind": kind, **{key: told[key] for key in _KEPT if told.get(key)}}


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


if __name__ == "__main__":
    main()
