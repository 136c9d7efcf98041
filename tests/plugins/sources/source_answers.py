"""Answers in the forms that the sources' documentation gives; none is a recording.

The pages are named in the docstrings of the sources.
"""

import json

MODELS_DEV = {
    "anthropic": {
        "id": "anthropic",
        "env": ["ANTHROPIC_API_KEY"],
        "npm": "@ai-sdk/anthropic",
        "name": "Anthropic",
        "doc": "https://docs.anthropic.com/en/docs/about-claude/models",
        "models": {
            "claude-sonnet-4-5": {
                "id": "claude-sonnet-4-5",
                "name": "Claude Sonnet 4.5 (latest)",
                "family": "claude-sonnet",
                "attachment": True,
                "reasoning": True,
                "temperature": True,
                "tool_call": True,
                "knowledge": "2025-07-31",
                "release_date": "2025-09-29",
                "last_updated": "2025-09-29",
                "modalities": {"input": ["text", "image", "pdf"], "output": ["text"]},
                "open_weights": False,
                "cost": {
                    "input": 3,
                    "output": 15,
                    "cache_read": 0.3,
                    "cache_write": 3.75,
                    "context_over_200k": {"input": 6, "output": 22.5},
                },
                "limit": {"context": 200000, "output": 64000},
            }
        },
    },
    "groq": {
        "id": "groq",
        "env": ["GROQ_API_KEY"],
        "npm": "@ai-sdk/groq",
        "name": "Groq",
        "doc": "https://console.groq.com/docs/models",
        "models": {
            "openai/gpt-oss-120b": {
                "id": "openai/gpt-oss-120b",
                "name": "GPT OSS 120B",
                "attachment": False,
                "reasoning": True,
                "temperature": True,
                "tool_call": {"supported": True, "parallel": False},
                "structured_output": True,
                "release_date": "2025-08",
                "last_updated": "2025-08-05",
                "modalities": {"input": ["text"], "output": ["text"]},
                "open_weights": True,
                "status": "beta",
                "limit": {"context": 131072, "output": 0},
            }
        },
    },
}

OPENROUTER = {
    "data": [
        {
            "id": "google/gemini-2.5-pro-preview",
            "canonical_slug": "google/gemini-2.5-pro-preview-06-05",
            "hugging_face_id": "",
            "name": "Google: Gemini 2.5 Pro Preview",
            "created": 1749137257,
            "description": "Gemini 2.5 Pro is a state-of-the-art\nmodel.",
            "context_length": 1048576,
            "architecture": {
                "input_modalities": ["file", "image", "text", "audio"],
                "output_modalities": ["text"],
                "tokenizer": "Gemini",
                "instruct_type": None,
            },
            "pricing": {
                "prompt": "0.00000125",
                "completion": "0.00001",
                "request": "0",
                "image": "0.00516",
                "web_search": "0",
                "internal_reasoning": "0",
                "input_cache_read": "0.00000031",
                "input_cache_write": "0.000001625",
            },
            "top_provider": {
                "context_length": 1048576,
                "max_completion_tokens": 65536,
                "is_moderated": False,
            },
            "per_request_limits": None,
            "supported_parameters": ["tools", "reasoning", "structured_outputs", "seed"],
        },
        {
            "id": "openrouter/auto",
            "name": "Auto Router",
            "created": 1699401600,
            "description": "",
            "context_length": 2000000,
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "pricing": {"prompt": "-1", "completion": "-1"},
            "top_provider": {"context_length": None, "max_completion_tokens": None},
        },
    ]
}

HUGGING_FACE = [
    {
        "_id": "680f0da2f99a20ddfc9a9f26",
        "id": "Qwen/Qwen3-8B",
        "author": "Qwen",
        "gated": False,
        "private": False,
        "downloads": 4321000,
        "createdAt": "2025-04-27T03:42:21.000Z",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["transformers", "safetensors", "qwen3", "license:apache-2.0", "region:us"],
        "safetensors": {"parameters": {"BF16": 8190735360}, "total": 8190735360},
    },
    {
        "_id": "66944f1fe0c5c2e493a804f5",
        "id": "meta-llama/Llama-3.1-8B-Instruct-GGUF",
        "author": "meta-llama",
        "gated": "manual",
        "private": False,
        "downloads": 12,
        "createdAt": "2024-07-18T08:56:00.000Z",
        "pipeline_tag": "feature-extraction",
        "tags": ["gguf", "license:llama3.1"],
        "gguf": {"total": 8030261248, "architecture": "llama", "context_length": 131072},
    },
]

OLLAMA = {
    "models": [
        {
            "name": "gemma3",
            "model": "gemma3",
            "modified_at": "2025-10-03T23:34:03.409490317-07:00",
            "size": 3338801804,
            "digest": "a2af6cc3eb7fa8be8504abaf9b04e88f17a119ec3f04a3addf55f92841195f5a",
            "details": {
                "format": "gguf",
                "family": "gemma",
                "families": ["gemma"],
                "parameter_size": "4.3B",
                "quantization_level": "Q4_K_M",
            },
        },
        {"name": "gpt-oss:120b", "model": "gpt-oss:120b", "digest": "c6eb396dbd59", "details": {}},
    ]
}

OPENAI = {
    "object": "list",
    "data": [
        {"id": "gpt-4o", "object": "model", "created": 1715367049, "owned_by": "system"},
        {
            "id": "Qwen/Qwen3-8B",
            "object": "model",
            "created": 1755000000,
            "owned_by": "vllm",
            "root": "Qwen/Qwen3-8B",
            "parent": None,
            "max_model_len": 40960,
            "permission": [],
        },
        {
            "id": "llama-3.3-70b-versatile",
            "object": "model",
            "created": 1733447754,
            "owned_by": "Meta",
            "active": True,
            "context_window": 131072,
            "max_completion_tokens": 32768,
        },
        {
            "id": "smol.gguf",
            "object": "model",
            "created": 1735142223,
            "owned_by": "llamacpp",
            "meta": {"vocab_type": 2, "n_vocab": 49152, "n_ctx_train": 8192, "n_params": 134515008},
        },
    ],
}


def serving(answer):
    """Return a fetch that answers so at any address, and where it was asked."""
    asked = []
    data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    def fetch(url):
        asked.append(url)
        return data

    return fetch, asked
