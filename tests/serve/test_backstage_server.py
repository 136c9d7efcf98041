"""The gateways' socket: who may connect, that it answers, and that it ends with its process."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest
from fastapi import FastAPI

from tradewind.serve.backstage import backstage_served

pytestmark = pytest.mark.enable_socket

PATIENCE_S = 60.0


def ask(path, line=b"GET /there"):
    """Return the whole answer to one request."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(path))
        connection.sendall(line + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(65536), b""))


def application(said=b"hello"):
    app = FastAPI()

    @app.get("/there")
    def there():
        return said.decode()

    return app


def test_it_answers_on_a_socket_for_this_user_alone(tmp_path):
    path = tmp_path / "b.sock"
    path.touch()  # as a killed process leaves one behind
    with backstage_served(application(), path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"hello" in ask(path)
    assert not path.exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "backstage"]


def test_a_question_under_way_is_answered_before_it_ends(tmp_path):
    path = tmp_path / "b.sock"
    has_come, may_go, answers = threading.Event(), threading.Event(), []
    app = FastAPI()

    @app.get("/there")
    def there():
        has_come.set()
        may_go.wait(PATIENCE_S)
        return "hello"

    asking = threading.Thread(target=lambda: answers.append(ask(path)))
    with backstage_served(app, path):
        asking.start()
        assert has_come.wait(PATIENCE_S)
        threading.Timer(0.1, may_go.set).start()
    asking.join(PATIENCE_S)
    assert b"hello" in answers[0]


@pytest.mark.postgres
def test_the_control_process_serves_it_and_ends_it_when_told_to_stop(tmp_path, database_url):
    sockets = {name: tmp_path / f"{name}.sock" for name in ("control", "backstage")}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tradewind.serve.control"),
            *("--socket", str(sockets["control"])),
            *("--backstage", str(sockets["backstage"])),
            *("--public-url", "http://tradewind.test"),
        ],
        env={
            **os.environ,
            "TRADEWIND_DATA": str(tmp_path / "data"),
            "TRADEWIND_DATABASE_URL": database_url,
        },
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not all(path.exists() for path in sockets.values()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert b" 404 " in ask(sockets["backstage"], b"GET /api/me").partition(b"\r\n")[0]
        assert b" 405 " in ask(sockets["backstage"], b"GET /responses").partition(b"\r\n")[0]
        assert b" 404 " in ask(sockets["control"], b"PUT /responses").partition(b"\r\n")[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert not sockets["backstage"].exists()
    finally:
        process.kill()
        process.wait()
