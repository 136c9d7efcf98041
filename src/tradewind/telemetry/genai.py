"""The words of OpenTelemetry's conventions for generative AI, for metrics and spans alike.

Pages: "Semantic conventions for generative AI metrics" and "… client AI spans" (opentelemetry.io,
registry `gen_ai`). Where they name a value that applies, that one must be used; others are ours.
"""

UNKNOWN = "unknown"
OTHER_ERROR = "_OTHER"
"""The conventions' own word for an error without a better one."""

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105  the name of an attribute
ERROR_TYPE = "error.type"

_OPERATIONS = {
    "chat": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
    "rerank": "rerank",
    "moderations": "moderations",
    "images": "images",
    "image_edits": "image_edits",
    "speech": "speech",
    "transcription": "transcription",
    "translation": "translation",
    "files": "files",
}
_PROVIDERS = {
    "": UNKNOWN,
    "amazon-bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "azure-cognitive-services": "azure.ai.openai",
    "google": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "google-vertex-anthropic": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "moonshotai": "moonshot_ai",
    "moonshotai-cn": "moonshot_ai",
    "xai": "x_ai",
}


def operation_name(operation: str) -> str:
    """Return the conventions' name of an operation: one of few, whatever is given."""
    return _OPERATIONS.get(operation, UNKNOWN)


def provider_name(host: str) -> str:
    """Return the conventions' name of a host; of one they do not know, its own public name."""
    return _PROVIDERS.get(host, host)


def prometheus_label(attribute: str) -> str:
    """Return an attribute's name as a label (OpenTelemetry, "Prometheus and OpenMetrics
    compatibility": what a label's name cannot hold becomes an underscore).
    """
    return attribute.replace(".", "_")
