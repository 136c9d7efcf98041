"""What the services and models of remote checks answer where all is well, by their documents."""

import json

from tradewind.plugins.checks.base import RemoteRequest

OPTIONS = {"principle": "hate", "risk": "violence"}
_OPENAI_SCORES = (
    *("hate", "hate/threatening", "harassment", "harassment/threatening", "self-harm"),
    *("self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence"),
    *("violence/graphic", "illicit", "illicit/violent"),
)
VERDICTS = {
    "llama_guard": "unsafe\nS10",
    "shieldgemma": "Yes",
    "granite_guardian": "<score> yes </score>",
    "prompt_guard": "MALICIOUS",
}


def served(request: RemoteRequest) -> tuple[int, bytes]:
    """Return what the service behind a request answers: everything is gravely wrong."""
    asked = json.loads(request.body)
    path = request.path.partition("?")[0]
    if path == "/contentsafety/text:analyze":
        told = [{"category": each, "severity": 6} for each in asked["categories"]]
        return 200, json.dumps({"blocklistsMatch": [], "categoriesAnalysis": told}).encode()
    if path == "/contentsafety/text:shieldPrompt":
        documents = [{"attackDetected": True} for _ in asked["documents"]]
        prompt = {"attackDetected": bool(asked["userPrompt"])}
        told = {"userPromptAnalysis": prompt, "documentsAnalysis": documents}
        return 200, json.dumps(told).encode()
    if path == "/v1/moderations":
        scores = dict.fromkeys(_OPENAI_SCORES, 0.9)
        flags = dict.fromkeys(_OPENAI_SCORES, True)
        one = {"flagged": True, "categories": flags, "category_scores": scores}
        return 200, json.dumps({"id": "m", "results": [one for _ in asked["input"]]}).encode()
    assert path == "/analyze", path
    end = min(3, len(asked["text"]))
    one = {"entity_type": "PERSON", "start": 0, "end": end, "score": 0.85}
    return 200, json.dumps([one] if end else []).encode()


def completion(name: str) -> dict[str, object]:
    message = {"role": "assistant", "content": VERDICTS[name]}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
