"""The kinds of channels of one-api and new-api: numbers to hosts.

Both count from the same list and go apart after 25, so the command says whose file it is. Numbers
and addresses are facts of songquanpeng/one-api, `relay/channeltype/define.go` and `url.go`, and of
QuantumNous/new-api, `constant/channel.go`. What is added to the end of an address is what each
calls there.
"""

from collections.abc import Mapping
from typing import NamedTuple


class ChannelType(NamedTuple):
    name: str
    host: str = ""
    """Id of a known host; a channel without an address of its own is there."""
    default: str = ""
    """The address that a channel without one has."""
    path: str = "/v1"
    """What follows the address of a channel, in front of `/chat/completions`."""
    needs_key: bool = True
    reason: str = ""
    """Why it is not taken."""
    instead: str = ""


def _unsupported(name: str, reason: str, instead: str = "") -> ChannelType:
    return ChannelType(name, reason=reason, instead=instead)


AZURE, AWS, CLOUDFLARE = "Azure OpenAI", "AWS", "Cloudflare"
"""Whose keys and addresses are put together in a way of their own."""

_OWN_FORM = "it speaks a form of its own"
_VIDEO = "it makes videos or music, which are not served here"
_COMPATIBLE = "add it by its OpenAI-compatible address, with a key for that"
_VERTEX = _unsupported(
    "Vertex AI",
    "its credential is a service account, whose tokens live an hour",
    "use a Gemini key",
)

_BOTH: dict[int, ChannelType] = {
    1: ChannelType("OpenAI", "openai", "https://api.openai.com"),
    3: ChannelType(AZURE, path=""),
    6: ChannelType("OpenAI Max", default="https://api.openaimax.com"),
    7: ChannelType("OhMyGPT", default="https://api.ohmygpt.com"),
    9: ChannelType("AI.LS", default="https://api.caipacity.com"),
    10: ChannelType("AI Proxy", default="https://api.aiproxy.io"),
    11: _unsupported("PaLM", "its API has ended", "use Gemini"),
    12: ChannelType("API2GPT", default="https://api.api2gpt.com"),
    13: ChannelType("AIGC2D", default="https://api.aigc2d.com"),
    14: ChannelType("Anthropic", "anthropic", "https://api.anthropic.com"),
    15: _unsupported("Baidu", "its keys are exchanged for tokens", "use a key of Qianfan v2"),
    16: ChannelType("Zhipu", "zhipuai", "https://open.bigmodel.cn", "/api/paas/v4"),
    17: ChannelType(
        "Alibaba", "alibaba-cn", "https://dashscope.aliyuncs.com", "/compatible-mode/v1"
    ),
    18: _unsupported("Xunfei", "it is called by web sockets", _COMPATIBLE),
    20: ChannelType("OpenRouter", "openrouter", "https://openrouter.ai/api"),
    21: _unsupported("AI Proxy library", _OWN_FORM),
    22: ChannelType("FastGPT", default="https://fastgpt.run/api/openapi"),
    23: _unsupported("Tencent", "its requests are signed", _COMPATIBLE),
    24: ChannelType("Gemini", "google", "https://generativelanguage.googleapis.com", "/v1beta"),
    25: ChannelType("Moonshot", "moonshotai-cn", "https://api.moonshot.cn"),
    31: ChannelType("LingYiWanWu", default="https://api.lingyiwanwu.com"),
    33: ChannelType(AWS, "amazon-bedrock"),
}
_ONE_API: dict[int, ChannelType] = _BOTH | {
    2: ChannelType("API2D", default="https://oa.api2d.net"),
    4: ChannelType("CloseAI", default="https://api.closeai-proxy.xyz"),
    5: ChannelType("OpenAI-SB", default="https://api.openai-sb.com"),
    8: ChannelType("Custom"),
    19: ChannelType("360", default="https://ai.360.cn"),
    26: ChannelType("Baichuan", default="https://api.baichuan-ai.com"),
    27: ChannelType("MiniMax", "minimax-cn", "https://api.minimax.chat"),
    28: ChannelType("Mistral", "mistral", "https://api.mistral.ai"),
    29: ChannelType("Groq", "groq", "https://api.groq.com/openai"),
    30: ChannelType("Ollama", default="http://localhost:11434", needs_key=False),
    32: ChannelType("StepFun", "stepfun", "https://api.stepfun.com"),
    34: _unsupported("Coze", _OWN_FORM),
    35: ChannelType("Cohere", "cohere", "https://api.cohere.ai", "/v2"),
    36: ChannelType("DeepSeek", "deepseek", "https://api.deepseek.com"),
    37: ChannelType(CLOUDFLARE, "cloudflare-workers-ai"),
    38: _unsupported("DeepL", "it translates texts in a form of its own"),
    39: ChannelType("Together AI", "togetherai", "https://api.together.xyz"),
    40: ChannelType("Doubao", default="https://ark.cn-beijing.volces.com", path="/api/v3"),
    41: ChannelType("Novita", "novita-ai", "https://api.novita.ai/v3/openai", ""),
    42: _VERTEX,
    43: _unsupported("Proxy", "it passes anything on to anywhere", "add the host by its address"),
    44: ChannelType("SiliconFlow", "siliconflow-cn", "https://api.siliconflow.cn"),
    45: ChannelType("xAI", "xai", "https://api.x.ai"),
    46: _unsupported("Replicate", _OWN_FORM),
    47: ChannelType("Baidu Qianfan", default="https://qianfan.baidubce.com", path="/v2"),
    48: ChannelType("Xunfei Spark", default="https://spark-api-open.xf-yun.com"),
    49: ChannelType(
        "Alibaba Bailian", "alibaba-cn", "https://dashscope.aliyuncs.com", "/compatible-mode/v1"
    ),
    50: ChannelType("OpenAI-compatible", path=""),
    51: ChannelType(
        "Gemini, OpenAI-compatible",
        default="https://generativelanguage.googleapis.com/v1beta/openai",
        path="",
    ),
}
_NEW_API: dict[int, ChannelType] = _BOTH | {
    2: _unsupported("Midjourney", _OWN_FORM),
    4: ChannelType("Ollama", default="http://localhost:11434", needs_key=False),
    5: _unsupported("Midjourney Plus", _OWN_FORM),
    8: ChannelType("Custom", path=""),
    19: ChannelType("360", default="https://api.360.cn"),
    26: ChannelType("Zhipu", "zhipuai", "https://open.bigmodel.cn", "/api/paas/v4"),
    27: ChannelType("Perplexity", "perplexity", "https://api.perplexity.ai", ""),
    34: ChannelType("Cohere", "cohere", "https://api.cohere.ai", "/v2"),
    35: ChannelType("MiniMax", "minimax-cn", "https://api.minimax.chat"),
    36: _unsupported("Suno", _VIDEO),
    37: _unsupported("Dify", _OWN_FORM),
    38: ChannelType("Jina", default="https://api.jina.ai"),
    39: ChannelType(CLOUDFLARE, "cloudflare-workers-ai"),
    40: ChannelType("SiliconFlow", "siliconflow-cn", "https://api.siliconflow.cn"),
    41: _VERTEX,
    42: ChannelType("Mistral", "mistral", "https://api.mistral.ai"),
    43: ChannelType("DeepSeek", "deepseek", "https://api.deepseek.com"),
    44: ChannelType("MokaAI", default="https://api.moka.ai"),
    45: ChannelType("Volcengine", default="https://ark.cn-beijing.volces.com", path="/api/v3"),
    46: ChannelType("Baidu Qianfan", default="https://qianfan.baidubce.com", path="/v2"),
    47: ChannelType("Xinference", needs_key=False),
    48: ChannelType("xAI", "xai", "https://api.x.ai"),
    49: _unsupported("Coze", _OWN_FORM),
    50: _unsupported("Kling", _VIDEO),
    51: _unsupported("Jimeng", _VIDEO),
    52: _unsupported("Vidu", _VIDEO),
    53: ChannelType("submodel", "submodel", "https://llm.submodel.ai"),
    54: _unsupported("Doubao video", _VIDEO),
    55: _unsupported("Sora", _VIDEO),
    56: _unsupported("Replicate", _OWN_FORM),
    57: _unsupported("Codex", "its credential is a person's sign-in", "use a key of the API"),
}
TYPES: Mapping[str, Mapping[int, ChannelType]] = {"one-api": _ONE_API, "new-api": _NEW_API}

PLANS = {
    "glm-coding-plan": "https://open.bigmodel.cn/api/coding/paas/v4",
    "glm-coding-plan-international": "https://api.z.ai/api/coding/paas/v4",
    "kimi-coding-plan": "https://api.kimi.com/coding/v1",
    "doubao-coding-plan": "https://ark.cn-beijing.volces.com/api/coding/v3",
}
"""Words that new-api takes for an address."""
