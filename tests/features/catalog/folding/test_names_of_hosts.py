"""What ids at real hosts say: a table checked by hand, and rules that hold for every id."""

import re
from collections import defaultdict
from datetime import date
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradewind.features.catalog.folding.names import (
    CHANGED,
    NO_MAKER,
    NO_NAME,
    POINTER,
    ROUTER,
    key_of,
    read_id,
)
from tradewind.features.endpoints.naming import name_of
from tradewind.plugins.sources.registry import shipped_sources

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?/[a-z0-9](?:[a-z0-9._-]{0,98}[a-z0-9])?")
# The same letters and digits under two publishers, and both are right.
TWO_MAKERS: dict[str, set[str]] = {}


class Told(NamedTuple):
    region: str = ""
    version: str = ""
    quantization: str = ""
    variant: str = ""


PLAIN = Told()


@pytest.fixture(scope="module")
def entries():
    def fetch(url):
        raise AssertionError(f"{url} was fetched")

    return [
        entry
        for source in shipped_sources(date(2026, 11, 22))
        for entry in source.read(fetch).entries
    ]


# Checked one by one against the host's and the maker's own pages.
@pytest.mark.parametrize(
    ("host", "upstream_id", "name", "told"),
    [
        (
            "amazon-bedrock",
            "us.anthropic.claude-opus-4-5-20251101-v1:0",
            "anthropic/claude-opus-4.5",
            Told(region="us", version="20251101"),
        ),
        ("amazon-bedrock", "anthropic.claude-sonnet-4-6", "anthropic/claude-sonnet-4.6", PLAIN),
        ("amazon-bedrock", "openai.gpt-oss-120b", "openai/gpt-oss-120b", PLAIN),
        ("amazon-bedrock", "deepseek.v3.2", "deepseek/deepseek-v3.2", PLAIN),
        (
            "amazon-bedrock",
            "meta.llama4-maverick-17b-instruct-v1:0",
            "meta/llama-4-maverick-17b-128e-instruct",
            PLAIN,
        ),
        (
            "amazon-bedrock",
            "nvidia.nemotron-super-3-120b",
            "nvidia/nemotron-3-super-120b-a12b",
            PLAIN,
        ),
        ("amazon-bedrock", "zai.glm-4.7", "zai/glm-4.7", PLAIN),
        (
            "amazon-bedrock",
            "qwen.qwen3-235b-a22b-2507-v1:0",
            "qwen/qwen3-235b-a22b-instruct-2507",
            PLAIN,
        ),
        ("amazon-bedrock", "mistral.magistral-small-2509", "mistral/magistral-small-2509", PLAIN),
        ("amazon-bedrock", "writer.palmyra-x4-v1:0", "writer/palmyra-x4", PLAIN),
        ("amazon-bedrock", "amazon.nova-2-lite-v1:0", "amazon/nova-2-lite", PLAIN),
        ("amazon-bedrock", "moonshotai.kimi-k2.5", "moonshotai/kimi-k2.5", PLAIN),
        ("amazon-bedrock", "minimax.minimax-m2", "minimax/minimax-m2", PLAIN),
        ("amazon-bedrock", "google.gemma-3-12b-it", "google/gemma-3-12b-it", PLAIN),
        (
            "google-vertex-anthropic",
            "claude-opus-4-1@20250805",
            "anthropic/claude-opus-4.1",
            Told(version="20250805"),
        ),
        ("google-vertex", "claude-opus-4-6@default", "anthropic/claude-opus-4.6", PLAIN),
        (
            "google-vertex",
            "meta/llama-3.3-70b-instruct-maas",
            "meta/llama-3.3-70b-instruct",
            Told(variant="maas"),
        ),
        ("google-vertex", "zai-org/glm-4.7-maas", "zai/glm-4.7", Told(variant="maas")),
        ("google-vertex", "openai/gpt-oss-20b-maas", "openai/gpt-oss-20b", Told(variant="maas")),
        (
            "cloudflare-workers-ai",
            "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
            "meta/llama-3.3-70b-instruct",
            Told(quantization="fp8", variant="fast"),
        ),
        (
            "cloudflare-workers-ai",
            "@cf/aisingapore/gemma-sea-lion-v4-27b-it",
            "aisingapore/gemma-sea-lion-v4-27b-it",
            PLAIN,
        ),
        ("cloudflare-ai-gateway", "workers-ai/@cf/zai-org/glm-5.2", "zai/glm-5.2", PLAIN),
        (
            "cloudflare-workers-ai",
            "@cf/qwen/qwen3-30b-a3b-fp8",
            "qwen/qwen3-30b-a3b",
            Told(quantization="fp8"),
        ),
        ("clarifai", "moonshotai/chat-completion/models/Kimi-K2_6", "moonshotai/kimi-k2.6", PLAIN),
        (
            "clarifai",
            "minimaxai/chat-completion/models/MiniMax-M2_5-high-throughput",
            "minimax/minimax-m2.5",
            Told(variant="high-throughput"),
        ),
        (
            "clarifai",
            "qwen/qwenLM/models/Qwen3-30B-A3B-Thinking-2507",
            "qwen/qwen3-30b-a3b-thinking-2507",
            PLAIN,
        ),
        ("clarifai", "clarifai/main/models/mm-poly-8b", "clarifai/mm-poly-8b", PLAIN),
        ("clarifai", "arcee_ai/AFM/models/trinity-mini", "arcee-ai/trinity-mini", PLAIN),
        (
            "clarifai",
            "deepseek-ai/deepseek-ocr/models/DeepSeek-OCR",
            "deepseek/deepseek-ocr",
            PLAIN,
        ),
        ("sap-ai-core", "anthropic--claude-4.5-sonnet", "anthropic/claude-sonnet-4.5", PLAIN),
        ("sap-ai-core", "amazon--nova-pro", "amazon/nova-pro", PLAIN),
        ("sap-ai-core", "mistralai--mistral-small", "mistral/mistral-small", PLAIN),
        ("sap-ai-core", "gpt-5.6-terra", "openai/gpt-5.6-terra", PLAIN),
        ("nano-gpt", "azure-o1", "openai/o1", PLAIN),
        ("nano-gpt", "azure-gpt-4o", "openai/gpt-4o", PLAIN),
        ("nano-gpt", "TEE/deepseek-v4-flash", "deepseek/deepseek-v4-flash", Told(variant="tee")),
        (
            "nano-gpt",
            "claude-opus-4-thinking:32768",
            "anthropic/claude-opus-4",
            Told(variant="32768+thinking"),
        ),
        ("nano-gpt", "TEE/llama3-3-70b", "meta/llama-3.3-70b-instruct", Told(variant="tee")),
        ("nano-gpt", "deepseek-ai/DeepSeek-V3.1", "deepseek/deepseek-v3.1", PLAIN),
        (
            "nano-gpt",
            "huihui-ai/Llama-3.3-70B-Instruct-abliterated",
            "huihui-ai/llama-3.3-70b-instruct-abliterated",
            PLAIN,
        ),
        ("nano-gpt", "Steelskull/L3.3-Cu-Mai-R1-70b", "steelskull/l3.3-cu-mai-r1-70b", PLAIN),
        ("nano-gpt", "qwen25-vl-72b-instruct", "qwen/qwen2.5-vl-72b-instruct", PLAIN),
        ("edenai", "vertex/gemini-3.6-flash@us", "google/gemini-3.6-flash", Told(region="us")),
        (
            "edenai",
            "amazon/nvidia.nemotron-nano-9b-v2@us",
            "nvidia/nemotron-nano-9b-v2",
            Told(region="us"),
        ),
        ("edenai", "amazon/moonshot.kimi-k2-thinking", "moonshotai/kimi-k2-thinking", PLAIN),
        (
            "edenai",
            "fireworks_ai/accounts/fireworks/models/gpt-oss-20b",
            "openai/gpt-oss-20b",
            PLAIN,
        ),
        ("edenai", "together_ai/thinkingmachines/Inkling", "thinkingmachines/inkling", PLAIN),
        ("edenai", "groq/openai/gpt-oss-20b", "openai/gpt-oss-20b", PLAIN),
        ("venice", "openai-gpt-52-codex", "openai/gpt-5.2-codex", PLAIN),
        ("venice", "zai-org-glm-5", "zai/glm-5", PLAIN),
        ("venice", "minimax-m27", "minimax/minimax-m2.7", PLAIN),
        ("venice", "venice-uncensored-1-2", "venice/venice-uncensored-1.2", PLAIN),
        ("venice", "z-ai-glm-5v-turbo", "zai/glm-5v-turbo", PLAIN),
        ("venice", "google-gemma-3-27b-it", "google/gemma-3-27b-it", PLAIN),
        ("fireworks-ai", "accounts/fireworks/models/glm-5p2", "zai/glm-5.2", PLAIN),
        (
            "fireworks-ai",
            "accounts/fireworks/models/kimi-k2p7-code",
            "moonshotai/kimi-k2.7-code",
            PLAIN,
        ),
        ("fireworks-ai", "accounts/fireworks/models/inkling", "thinkingmachines/inkling", PLAIN),
        (
            "fireworks-ai",
            "accounts/fireworks/routers/kimi-k2p6-turbo",
            "moonshotai/kimi-k2.6",
            Told(variant="turbo"),
        ),
        (
            "fireworks-ai",
            "accounts/fireworks/models/nemotron-3-ultra-nvfp4",
            "nvidia/nemotron-3-ultra-550b-a55b",
            Told(quantization="nvfp4"),
        ),
        ("groq", "llama-3.3-70b-versatile", "meta/llama-3.3-70b-instruct", PLAIN),
        ("groq", "groq/compound-mini", "groq/compound-mini", PLAIN),
        ("groq", "allam-2-7b", "sdaia/allam-2-7b", PLAIN),
        ("groq", "qwen/qwen3.6-27b", "qwen/qwen3.6-27b", PLAIN),
        ("groq", "whisper-large-v3", "openai/whisper-large-v3", PLAIN),
        ("openrouter", "deepseek/deepseek-r1-0528", "deepseek/deepseek-r1-0528", PLAIN),
        ("openrouter", "openai/o3-mini", "openai/o3-mini", PLAIN),
        ("openrouter", "x-ai/grok-build-0.1", "xai/grok-build-0.1", PLAIN),
        ("openrouter", "z-ai/glm-4.5-air", "zai/glm-4.5-air", PLAIN),
        ("openrouter", "cohere/command-r-plus-08-2024", "cohere/command-r-plus-08-2024", PLAIN),
        ("openrouter", "sao10k/l3-lunaris-8b", "sao10k/l3-8b-lunaris", PLAIN),
        ("openrouter", "meta-llama/llama-4-scout", "meta/llama-4-scout-17b-16e-instruct", PLAIN),
        ("openrouter", "qwen/qwen-2.5-7b-instruct", "qwen/qwen2.5-7b-instruct", PLAIN),
        ("openrouter", "qwen/qwen3-vl-8b-instruct", "qwen/qwen3-vl-8b-instruct", PLAIN),
        ("openrouter", "nousresearch/hermes-4-405b", "nousresearch/hermes-4-405b", PLAIN),
        ("huggingface", "Qwen/Qwen3.6-27B", "qwen/qwen3.6-27b", PLAIN),
        ("togetherai", "google/gemma-3n-E4B-it", "google/gemma-3n-e4b-it", PLAIN),
        (
            "deepinfra",
            "meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "meta/llama-3.3-70b-instruct",
            Told(variant="turbo"),
        ),
        ("siliconflow-cn", "Pro/deepseek-ai/DeepSeek-R1", "deepseek/deepseek-r1", PLAIN),
        ("alibaba", "qwen2-5-vl-72b-instruct", "qwen/qwen2.5-vl-72b-instruct", PLAIN),
        ("alibaba", "qwen3-coder-480b-a35b-instruct", "qwen/qwen3-coder-480b-a35b-instruct", PLAIN),
        (
            "alibaba-cn",
            "deepseek-r1-distill-qwen-1-5b",
            "deepseek/deepseek-r1-distill-qwen-1.5b",
            PLAIN,
        ),
        ("alibaba-cn", "kimi-k2.5", "moonshotai/kimi-k2.5", PLAIN),
        ("alibaba-cn", "MiniMax-M2.5", "minimax/minimax-m2.5", PLAIN),
        ("gitlab", "duo-chat-opus-4-7", "anthropic/claude-opus-4.7", PLAIN),
        ("gitlab", "duo-chat-gpt-5-mini", "openai/gpt-5-mini", PLAIN),
        ("digitalocean", "anthropic-claude-4.5-sonnet", "anthropic/claude-sonnet-4.5", PLAIN),
        ("digitalocean", "alibaba-qwen3-32b", "qwen/qwen3-32b", PLAIN),
        ("digitalocean", "fal-ai/flux/schnell", "black-forest-labs/flux.1-schnell", PLAIN),
        (
            "digitalocean",
            "fal-ai/elevenlabs/tts/multilingual-v2",
            "elevenlabs/multilingual-v2",
            PLAIN,
        ),
        ("umans-ai", "umans-glm-5.2", "zai/glm-5.2", PLAIN),
        ("umans-ai", "umans-coder", "umans/umans-coder", PLAIN),
        ("github-copilot", "gpt-5.2-codex", "openai/gpt-5.2-codex", PLAIN),
        ("azure", "gpt-5.2-codex", "openai/gpt-5.2-codex", PLAIN),
        ("azure", "deepseek-r1", "deepseek/deepseek-r1", PLAIN),
        ("azure", "phi-4-mini-reasoning", "microsoft/phi-4-mini-reasoning", PLAIN),
        ("azure", "mistral-small-2503", "mistral/mistral-small-2503", PLAIN),
        (
            "azure",
            "llama-4-maverick-17b-128e-instruct-fp8",
            "meta/llama-4-maverick-17b-128e-instruct",
            Told(quantization="fp8"),
        ),
        ("ollama-cloud", "gpt-oss:120b", "openai/gpt-oss-120b", PLAIN),
        ("ollama-cloud", "mistral-large-3:675b", "mistral/mistral-large-2512", PLAIN),
        ("ollama-cloud", "qwen3.5:397b", "qwen/qwen3.5-397b-a17b", PLAIN),
        ("ollama-cloud", "kimi-k2.7-code", "moonshotai/kimi-k2.7-code", PLAIN),
        ("openai", "gpt-4o-2024-11-20", "openai/gpt-4o", Told(version="20241120")),
        ("openai", "text-embedding-3-large", "openai/text-embedding-3-large", PLAIN),
        ("mistral", "mistral-large-2512", "mistral/mistral-large-2512", PLAIN),
        ("mistral", "codestral-latest", "mistral/codestral", PLAIN),
        ("xai", "grok-4.20-0309-non-reasoning", "xai/grok-4.20-0309-non-reasoning", PLAIN),
        ("perplexity", "sonar-pro", "perplexity/sonar-pro", PLAIN),
        ("perplexity-agent", "moonshot-ai/kimi-k3", "moonshotai/kimi-k3", PLAIN),
        ("cohere", "command-r-08-2024", "cohere/command-r-08-2024", PLAIN),
        ("cohere", "c4ai-aya-vision-32b", "cohere/c4ai-aya-vision-32b", PLAIN),
        ("minimax", "MiniMax-M2.7", "minimax/minimax-m2.7", PLAIN),
        ("moonshotai", "kimi-k2-thinking", "moonshotai/kimi-k2-thinking", PLAIN),
        ("kimi-for-coding", "kimi-for-coding", "moonshotai/kimi-for-coding", PLAIN),
        ("zai", "glm-4.5-air", "zai/glm-4.5-air", PLAIN),
        ("deepseek", "deepseek-v4-pro", "deepseek/deepseek-v4-pro", PLAIN),
        ("stepfun", "step-3.5-flash", "stepfun/step-3.5-flash", PLAIN),
        ("xiaomi", "mimo-v2-pro", "xiaomi/mimo-v2-pro", PLAIN),
        ("upstage", "solar-pro3", "upstage/solar-pro3", PLAIN),
        ("v0", "v0-1.5-lg", "v0/v0-1.5-lg", PLAIN),
        ("morph", "morph-v3-large", "morph/morph-v3-large", PLAIN),
        ("inception", "mercury-2", "inception/mercury-2", PLAIN),
        (
            "llama",
            "cerebras-llama-4-scout-17b-16e-instruct",
            "meta/llama-4-scout-17b-16e-instruct",
            PLAIN,
        ),
        (
            "nvidia",
            "nvidia/llama-3.1-nemotron-safety-guard-8b-v3",
            "nvidia/llama-3.1-nemotron-safety-guard-8b-v3",
            PLAIN,
        ),
        ("nvidia", "meta/llama-3.2-3b-instruct", "meta/llama-3.2-3b-instruct", PLAIN),
        (
            "vultr",
            "nvidia/DeepSeek-V3.2-NVFP4",
            "deepseek/deepseek-v3.2",
            Told(quantization="nvfp4"),
        ),
        ("greenpt", "green-r", "greenpt/green-r", PLAIN),
        ("crof", "greg-1-mini", "crofai/greg-1-mini", PLAIN),
        (
            "io-net",
            "Intel/Qwen3-Coder-480B-A35B-Instruct-int4-mixed-ar",
            "qwen/qwen3-coder-480b-a35b-instruct",
            Told(quantization="int4"),
        ),
        ("hetzner", "DeepSeek-V4-Flash-0731", "deepseek/deepseek-v4-flash-0731", PLAIN),
        (
            "evroc",
            "nvidia/Llama-3.3-70B-Instruct-FP8",
            "meta/llama-3.3-70b-instruct",
            Told(quantization="fp8"),
        ),
        ("ovhcloud", "qwen3.5-397b-a17b", "qwen/qwen3.5-397b-a17b", PLAIN),
        ("scaleway", "qwen3-embedding-8b", "qwen/qwen3-embedding-8b", PLAIN),
        ("stackit", "Qwen/Qwen3.6-27B", "qwen/qwen3.6-27b", PLAIN),
        ("poe", "anthropic/claude-sonnet-3.5-june", "anthropic/claude-3.5-sonnet-june", PLAIN),
        ("vercel", "poolside/laguna-s-2.1-free", "poolside/laguna-s-2.1", Told(variant="free")),
        ("zenmux", "kuaishou/kat-coder-pro-v2", "kwaipilot/kat-coder-pro-v2", PLAIN),
        ("requesty", "gpt-5-nano@eu", "openai/gpt-5-nano", Told(region="eu")),
        ("snowflake-cortex", "claude-sonnet-4-5", "anthropic/claude-sonnet-4.5", PLAIN),
        ("databricks", "databricks-gpt-5-4-nano", "openai/gpt-5.4-nano", PLAIN),
        ("wandb", "MiniMaxAI/MiniMax-M2.5", "minimax/minimax-m2.5", PLAIN),
        ("watsonx", "ibm/granite-4-h-small", "ibm/granite-4.0-h-small", PLAIN),
        ("kilo", "stealth/gpt-5.6-sol", "openai/gpt-5.6-sol", PLAIN),
        ("kilo", "amazon/nova-micro-v1", "amazon/nova-micro", PLAIN),
        ("chutes", "zai-org/GLM-5.1-TEE", "zai/glm-5.1", Told(variant="tee")),
        ("synthetic", "hf:zai-org/GLM-4.7-Flash", "zai/glm-4.7-flash", PLAIN),
        ("nebius", "Qwen/Qwen3-Next-80B-A3B-Thinking", "qwen/qwen3-next-80b-a3b-thinking", PLAIN),
        ("io-net", "openai/gpt-oss-20b", "openai/gpt-oss-20b", PLAIN),
        (
            "modelscope",
            "Qwen/Qwen3-235B-A22B-Thinking-2507",
            "qwen/qwen3-235b-a22b-thinking-2507",
            PLAIN,
        ),
        ("iflowcn", "glm-4.6", "zai/glm-4.6", PLAIN),
        ("dinference", "glm-5.2", "zai/glm-5.2", PLAIN),
        ("merge-gateway", "openai/gpt-5.4", "openai/gpt-5.4", PLAIN),
        ("drun", "public/deepseek-v3", "deepseek/deepseek-v3", PLAIN),
        # Amazon's version is its own, but where the maker has one.
        (
            "amazon-bedrock",
            "mistral.mistral-7b-instruct-v0:2",
            "mistral/mistral-7b-instruct-v0.2",
            PLAIN,
        ),
        (
            "amazon-bedrock",
            "mistral.mixtral-8x7b-instruct-v0:1",
            "mistral/mixtral-8x7b-instruct-v0.1",
            PLAIN,
        ),
        ("amazon-bedrock", "amazon.titan-embed-text-v2:0", "amazon/titan-embed-text-v2", PLAIN),
        ("amazon-bedrock", "nvidia.nemotron-nano-9b-v2:0", "nvidia/nemotron-nano-9b-v2", PLAIN),
        (
            "amazon-bedrock",
            "nvidia.nemotron-super-3-120b:0",
            "nvidia/nemotron-3-super-120b-a12b",
            PLAIN,
        ),
        ("amazon-bedrock", "openai.gpt-oss-120b-1:0", "openai/gpt-oss-120b", PLAIN),
        (
            "amazon-bedrock",
            "regional.anthropic.claude-3-5-sonnet-20241022-v2:0",
            "anthropic/claude-3.5-sonnet",
            Told(region="regional", version="20241022"),
        ),
        # A name that ends in a mode's word stays it, whatever a host writes behind it.
        (
            "google-vertex",
            "moonshotai/kimi-k2-thinking-maas",
            "moonshotai/kimi-k2-thinking",
            Told(variant="maas"),
        ),
        ("vercel", "bfl/flux-2-flex", "black-forest-labs/flux.2-flex", PLAIN),
        (
            "openai",
            "gpt-4o-mini-2024-07-18.ft-",
            "openai/gpt-4o-mini",
            Told("", "20240718", "", "ft"),
        ),
        (
            "privatemode-ai",
            "gemma-4-E4B-it-IQ4_XS",
            "google/gemma-4-e4b-it",
            Told(quantization="iq4-xs"),
        ),
        (
            "a-host",
            "Devstral-2-123B-Instruct-2512-int4-AutoRound",
            "mistral/devstral-2512",
            Told(quantization="int4"),
        ),
        ("nano-gpt", "xiaomi/mimo-v2.5-pro-crof", "xiaomi/mimo-v2.5-pro", Told(variant="crof")),
        ("chutes", "google/gemma-4-31B-turbo-TEE", "google/gemma-4-31b", Told(variant="tee+turbo")),
    ],
)
def test_an_id_at_a_host_says_whose_model_it_is(host, upstream_id, name, told):
    read = read_id(upstream_id, host=host)
    assert read.name == name
    assert Told(read.region, read.version, read.quantization, read.variant) == told
    assert name_of(upstream_id, host=host) == name


@pytest.mark.parametrize(
    ("host", "upstream_id", "family", "reason"),
    [
        ("openrouter", "openrouter/auto", "auto", ROUTER),
        ("azure", "model-router", "model-router", ROUTER),
        ("some-host", "anything", "auto", ROUTER),
        ("openrouter", "~anthropic/claude-opus-latest", "claude-opus", POINTER),
        ("edenai", "openai/gpt-latest", "gpt", POINTER),
        ("nano-gpt", "GLM-4.6-Derestricted-v5", "glm", CHANGED),
        ("venice", "gemma-4-uncensored", "gemma", CHANGED),
        ("nano-gpt", "celeris-1", "", NO_MAKER),
        # The family is what somebody started from.
        ("nano-gpt", "nano-gpt-help", "gpt", NO_MAKER),
        ("openrouter", "stealth/crouton-alpha", "", NO_MAKER),
        ("openai", "///", "", NO_NAME),
    ],
)
def test_what_cannot_be_told_apart_is_left_with_a_reason(host, upstream_id, family, reason):
    read = read_id(upstream_id, host=host, family=family)
    assert (read.publisher, read.reason) == ("", reason)


@pytest.mark.parametrize(
    ("upstream_id", "name"),
    [
        # Organizations that nobody told us of name themselves.
        ("Doctor-Shotgun/MS3.2-24B-Magnum-Diamond", "doctor-shotgun/ms3.2-24b-magnum-diamond"),
        (
            "huihui-ai/Qwen2.5-32B-Instruct-abliterated",
            "huihui-ai/qwen2.5-32b-instruct-abliterated",
        ),
        # Packagers do not.
        ("unsloth/Qwen3-8B-GGUF", "qwen/qwen3-8b"),
        ("bartowski/google_gemma-3-27b-it-GGUF", "google/gemma-3-27b-it"),
        # Others' models stand on the shelves of large houses.
        ("alibaba/kimi-k2.5", "moonshotai/kimi-k2.5"),
        ("alibaba/qwen3-max", "qwen/qwen3-max"),
        ("azure/gpt-5.1-codex", "openai/gpt-5.1-codex"),
        ("perplexity/glm-5.3", "zai/glm-5.3"),
        # A maker's name that begins with another's word.
        ("mistral-nemotron", "mistral/mistral-nemotron"),
        ("nvidia/llama-3.3-nemotron-super-49b-v1.5", "nvidia/llama-3.3-nemotron-super-49b-v1.5"),
        ("deepseek-r1-distill-llama-70b", "deepseek/deepseek-r1-distill-llama-70b"),
        # A short date is part of the name, a full one is not.
        ("deepseek-r1-0528", "deepseek/deepseek-r1-0528"),
        ("qwen-max-2025-01-25", "qwen/qwen-max"),
        ("doubao-seed-1-6-250615", "bytedance/seed-1.6"),
        # Names that end with a word that is a mode of others.
        ("kimi-k2-thinking", "moonshotai/kimi-k2-thinking"),
        ("kimi-k2.5-thinking", "moonshotai/kimi-k2.5"),
        ("grok-4-fast-non-reasoning", "xai/grok-4-fast-non-reasoning"),
        ("qwen3-next-80b-a3b-thinking", "qwen/qwen3-next-80b-a3b-thinking"),
        ("gpt-5.1-codex-max", "openai/gpt-5.1-codex-max"),
        ("o3-mini-high", "openai/o3-mini"),
    ],
)
def test_the_hard_cases(upstream_id, name):
    assert read_id(upstream_id, host="a-host").name == name


# The maker's own page names them together.
@pytest.mark.parametrize(
    ("name", "others"),
    [
        (
            "mistral/ministral-14b-2512",
            ["ministral-14b", "ministral-3-14b-instruct", "Ministral-3-14B-Instruct-2512"],
        ),
        (
            "mistral/mistral-large-2512",
            ["mistral-large-3", "mistral-large-3-675b-instruct-2512", "mistral-large-3:675b"],
        ),
        (
            "mistral/mistral-small-2603",
            ["mistral-small-4", "Mistral-Small-4-119B-2603", "mistral4-119b"],
        ),
        ("mistral/mistral-medium-2505", ["mistral-medium-3", "mistral-medium-3-instruct"]),
        ("mistral/mistral-nemo", ["open-mistral-nemo", "Mistral-Nemo-Instruct-2407"]),
        ("google/imagen-4-fast", ["imagen-4.0-fast", "imagen-4.0-fast-generate-001"]),
        ("google/gemini-2.5-flash-image", ["google/nano-banana"]),
        ("moonshotai/kimi-k2-instruct-0905", ["kimi-k2-0905-preview", "moonshotai/kimi-k2-0905"]),
        ("qwen/qwen3.6-35b-a3b", ["qwen3.6-35b", "Qwen/Qwen3.6-35B-A3B-FP8"]),
        ("cohere/command-a-03-2025", ["cohere-command-a", "command-a"]),
        ("xai/grok-4", ["grok-4-0709"]),
        ("baidu/ernie-4.5-300b-a47b-base", ["baidu/ERNIE-4.5-300B-A47B-Base-PT:novita"]),
    ],
)
def test_names_of_one_model_are_one_name(name, others):
    host = "huggingface" if ":novita" in others[0] else "a-host"
    assert {read_id(other, host=host).name for other in [name, *others]} == {name}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mistral-large-2411", "mistral-large-2512"),
        ("devstral-small-2507", "devstral-small-2512"),
        ("veo-3.1-generate-preview", "veo-3.1-generate-001"),
        ("glm-5-turbo", "glm-5"),
        ("qwen3-235b-a22b", "qwen3-235b-a22b-2507"),
        ("ernie-4.5-300b-a47b", "ernie-4.5-300b-a47b-base-pt"),
        ("gemma-4-31b", "gemma-4-31b-it"),
        ("titan-embed-text-v1", "amazon.titan-embed-text-v2:0"),
        ("kimi-k2-thinking", "kimi-k2"),
        ("minimax-m2.5-highspeed", "minimax-m2.5"),
    ],
)
def test_models_of_their_own_keep_their_names(one, other):
    assert read_id(one, host="a-host").name != read_id(other, host="a-host").name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("llama-3.3-70b-instruct", "Llama3_3-70B-Instruct"),
        ("qwen2.5-vl-72b", "qwen-2-5-vl-72b"),
        ("flux.1-dev", "flux-1-dev"),
    ],
)
def test_writings_of_one_name_have_one_key(one, other):
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(
    ("one", "other"), [("gemma-3-1b", "gemma-31b"), ("glm-4.5", "glm-45"), ("o1", "o1-pro")]
)
def test_names_that_differ_in_their_numbers_have_two_keys(one, other):
    assert key_of(one) != key_of(other)


def test_every_real_model_has_a_name_that_folds_to_itself(entries):
    for entry in entries:
        read = read_id(entry.upstream_id, host=entry.host, family=entry.family)
        if read.reason:
            continue
        assert NAME.fullmatch(read.name), entry
        again = read_id(read.name)
        assert (again.name, again.reason) == (read.name, ""), entry


def test_every_name_is_the_one_that_connections_give(entries):
    for entry in entries:
        read = read_id(entry.upstream_id, host=entry.host, family=entry.family)
        if not read.reason:
            assert name_of(entry.upstream_id, host=entry.host, family=entry.family) == read.name


def test_no_two_publishers_have_a_model_of_one_name(entries):
    publishers = defaultdict(set)
    for entry in entries:
        read = read_id(entry.upstream_id, host=entry.host, family=entry.family)
        if not read.reason:
            publishers[re.sub("[^a-z0-9]", "", read.slug)].add(read.publisher)
    assert {key: made for key, made in publishers.items() if len(made) > 1} == TWO_MAKERS


def test_no_publisher_has_one_name_in_two_writings(entries):
    slugs = defaultdict(set)
    for entry in entries:
        read = read_id(entry.upstream_id, host=entry.host, family=entry.family)
        if not read.reason:
            slugs[read.publisher, key_of(read.slug)].add(read.slug)
    assert {key: written for key, written in slugs.items() if len(written) > 1} == {}


PIECES = st.sampled_from(
    [
        *("gpt-4o", "claude-3-5-sonnet", "llama3", "Qwen", "-70b", "-3-1", "k2p5", "_3_3", "meta"),
        *(
            "openai/",
            "@cf/",
            "accounts/",
            "models/",
            "amazon/",
            "us.",
            "anthropic.",
            "--",
            "~",
            "hf:",
        ),
        *(
            ":free",
            ":thinking",
            ":0",
            "-v0:2",
            "-v2:0",
            "-v1:0",
            "@eu",
            "@20250514",
            "-2025-05-14",
            "-latest",
            "-fp8",
        ),
        *(
            "-thinking",
            "-free",
            "-turbo",
            "-GGUF",
            "-",
            ".",
            "/",
            "_",
            "+",
            " ",
            "uncensored",
            "auto",
        ),
        *(
            "-us",
            "duo-chat-",
            "anthropic-",
            "nvidia",
            "nemotron",
            "-high",
            "0",
            "1",
            "42",
            "b",
            "x",
        ),
    ]
)
IDS = st.one_of(st.lists(PIECES, max_size=8).map("".join), st.text(max_size=60))


@given(IDS, st.sampled_from(["", "openai", "groq", "huggingface", "alibaba", "zeldoc"]))
@example("a" * 63 + "-b/" + "x" * 99 + "-y", "")
@example("-" * 200, "")
def test_whatever_an_id_is_its_name_can_be_said_and_folds_to_itself(upstream_id, host):
    read = read_id(upstream_id, host=host)
    assert NAME.fullmatch(name_of(upstream_id, host=host))
    if read.reason:
        assert read.publisher == ""
        return
    assert NAME.fullmatch(read.name)
    again = read_id(read.name)
    assert (again.reason, again.name) == ("", read.name)
    assert Told(again.region, again.version, again.quantization, again.variant) == PLAIN


@given(IDS)
def test_large_letters_and_space_around_it_do_not_change_a_name(upstream_id):
    assert read_id(f" {upstream_id.upper()} ".lower()) == read_id(upstream_id.upper().lower())
