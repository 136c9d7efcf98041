"""The analyzer's process: for real where its environment is made, and its manners with a stand-in.

The real one costs 290 MB and minutes, so its test runs where `build/environments/presidio` was made
before (`ensure_environment` of serve/environments does that).
"""

import http.client
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tradewind.plugins.checks import presidio_process
from tradewind.plugins.checks.base import Content
from tradewind.plugins.checks.presidio import Presidio
from tradewind.serve.environments import is_made
from tradewind.snapshot.safety import Direction

ENVIRONMENTS = Path(__file__).parents[3] / "build" / "environments"
CHECK = Presidio()


def stand_in(text, language, least_score):
    assert language == "en"
    at = text.find("Anna")
    found = [{"entity_type": "PERSON", "start": at, "end": at + 4, "score": 0.85}]
    return found if at >= 0 and least_score <= 0.85 else []


@pytest.fixture
def address():
    server = presidio_process._server(0, stand_in)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def post(address, path, body, headers=None):
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request("POST", path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def asked(address, text):
    content = Content(text, Direction.PROMPT)
    answers = [
        post(address, request.path, request.body, dict(request.headers))
        for request in CHECK.requests([content], {}, "")
    ]
    [verdict] = CHECK.verdicts([content], answers)
    return [(each.category, text[each.start : each.end]) for each in verdict.findings]


def test_the_check_and_the_process_understand_each_other(address):
    assert asked(address, "I met Anna.") == [("pii.person", "Anna")]
    assert asked(address, "I met nobody.") == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/analyze", b"{", 400),
        ("/analyze", b"[]", 400),
        ("/analyze", b"{}", 400),
        ("/analyze", b'{"text": 1}', 400),
        ("/analyze", b'{"text": "x", "language": "xx"}', 400),
        ("/analyze", b'{"text": "x", "score_threshold": "y"}', 400),
        ("/analyze", b"[" * 5000, 400),
        ("/other", b"{}", 404),
    ],
)
def test_what_is_no_request_is_refused_without_quoting(address, path, body, status):
    assert post(address, path, body)[0] == status


def test_a_body_beyond_all_measure_is_not_read(address):
    length = {"content-length": str(presidio_process.LARGEST_BODY + 1)}
    assert post(address, "/analyze", b"", length)[0] == 413


def test_its_socket_is_its_owners_alone(tmp_path):
    path = tmp_path / "presidio.sock"
    server = presidio_process._local_server(path, stand_in)
    try:
        assert path.stat().st_mode & 0o777 == 0o600
    finally:
        server.server_close()


@pytest.mark.engine
@pytest.mark.skipif(
    not is_made(ENVIRONMENTS, "presidio"),
    reason="the environment `presidio` was not made here: it costs 290 MB and minutes",
)
def test_the_real_analyzer_finds_names_and_numbers():
    python = ENVIRONMENTS / "presidio" / "bin" / "python"
    script = Path(presidio_process.__file__)
    command = [str(python), "-P", str(script), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PATH": os.environ["PATH"]}) as run:
        try:
            assert run.stdout is not None
            address = urlsplit(json.loads(run.stdout.readline())["address"]).netloc
            found = asked(address, "Anna Berg lives in Berlin and pays with 4111 1111 1111 1111.")
        finally:
            run.terminate()
    assert ("pii.person", "Anna Berg") in found
    assert ("pii.card", "4111 1111 1111 1111") in found


def test_the_script_needs_nothing_of_ours():
    source = Path(presidio_process.__file__).read_text()
    assert "tradewind." not in source
    called = [sys.executable, "-I", presidio_process.__file__, "--help"]
    assert subprocess.run(called, capture_output=True, check=False, timeout=60).returncode == 0
