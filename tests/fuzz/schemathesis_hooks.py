"""What the Schemathesis command is told of our APIs; `schemathesis_run` starts it.

Without a name that exists, nearly every call would end at a 404: every other one gets one. What
counts as a failure is said here too.
"""

import json
import os
import zlib

import schemathesis

_KNOWN = json.loads(os.environ["TRADEWIND_FUZZ_KNOWN"])
_IDS: dict[str, list[str]] = _KNOWN["ids"]
"""Values of path parameters that exist."""
_MODELS: dict[str, str] = _KNOWN["models"]
"""A model that can do it, by how the path ends."""
_THEIRS = [id_ for name, ids in _IDS.items() if name != "host_id" for id_ in ids]
_IS_STRANGER: bool = _KNOWN["is_stranger"]
"""The ids are another organization's."""


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        for ending, model in _MODELS.items():
            if case.path.endswith(ending):
                body["model"] = model
                break
        if "images/" in case.path and body.get("stream") is True:
            body["stream"] = False  # the fake host streams none
    chance = zlib.crc32(repr((case.path_parameters, body)).encode("utf-8", "replace"))
    for name in case.path_parameters or ():
        if chance % 2 and name in _IDS:
            case.path_parameters[name] = _IDS[name][chance // 2 % len(_IDS[name])]


@schemathesis.check
def refuses_in_its_own_words(context, response, case):
    """No 5xx, but 501 for a method that nothing here has and for pictures, which nothing here looks
    at; every refusal says what was wrong.
    """
    status = response.status_code
    text = response.content.decode("utf-8", "replace")
    is_unknown = case.method not in _METHODS or case.path.endswith("image:analyze")
    assert status < 500 or (status == 501 and is_unknown), f"{status}: {text}"
    if status >= 400 and case.method != "HEAD":
        told = json.loads(text)
        told = told[0] if isinstance(told, list) else told
        assert "error" in told or "code" in told, f"{status}: {text}"
    if _IS_STRANGER and any(id_ in case.formatted_path for id_ in _THEIRS):
        assert status >= 400, f"a stranger got {status}: {text}"


_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
