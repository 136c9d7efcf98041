"""Campaigns carried out by the worker with the scripted tool, against a scripted model."""

import json
import os
import sqlite3
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.features.conftest import do, keys, operator, person, services
from tests.features.redteam_parts import ADA, a_spec, find_target, with_project
from tests.plugins.redteam.scripted_model import FILTERED, REFUSED, scripted_model
from tradewind.core.clock import SystemClock
from tradewind.features.accounts.schemas import KeyPurpose
from tradewind.features.redteam import rules
from tradewind.features.redteam.errors import CampaignOver
from tradewind.features.redteam.harmless import QUESTIONS, attacks_among, refused_of
from tradewind.features.redteam.runs import Runs
from tradewind.features.redteam.schemas import CampaignState, Outcome
from tradewind.features.redteam.service import RedTeam
from tradewind.plugins.redteam.registry import red_team_tools
from tradewind.serve.redteam import CampaignKeys
from tradewind.worker.redteam import Place, RedTeamer

__all__ = ["do", "keys", "operator", "person", "services"]

pytestmark = pytest.mark.postgres


@pytest.fixture
def model():
    with scripted_model() as server:
        yield server


@pytest.fixture
def attacker(operator, database):
    return with_project(database, operator)


@pytest.fixture
def red_team(tmp_path):
    return RedTeam(SystemClock(), red_team_tools(), find_target, tmp_path / "red-team")


@pytest.fixture
def make_worker(database, services, tmp_path):
    def make(model, tools=None):
        place = Place(
            evidence=tmp_path / "red-team",
            gateway=model.url.removesuffix("/v1"),
            python=lambda _name, _progress: Path(sys.executable),
            is_known=lambda _key: True,
            environ={},
        )
        return RedTeamer(
            database,
            Runs(SystemClock(), find_target),
            tools or red_team_tools(),
            CampaignKeys(database, services.accounts, SystemClock()),
            place,
        )

    return make


@pytest.fixture
def begun(do, red_team, attacker):
    def begin(**changes):
        return do(red_team.begin, attacker, ADA, "First", a_spec(**changes)).campaign_id

    return begin


def test_a_campaign_is_attacked_scored_and_kept(
    *, do, begun, model, make_worker, red_team, attacker, tmp_path
):
    campaign_id = begun()
    assert make_worker(model).carry_on(threading.Event())
    found = do(red_team.results, attacker, campaign_id)
    campaign = found.campaign
    assert campaign.state is CampaignState.COMPLETED, campaign.error
    assert (campaign.attacks_planned, campaign.attacks_done) == (32, 32)
    assert campaign.tool_version == "fake 1"
    cells = {cell[:4]: cell.counts for cell in found.cells}
    # The filter stops one of two; the model itself declines the other, unless it is encoded.
    on = cells["violence", "prompt_sending", "none", True]
    assert (on.attacks, on.successes, on.blocked, on.errors) == (2, 0, 1, 0)
    off = cells["violence", "prompt_sending", "none", False]
    assert (off.attacks, off.successes, off.blocked) == (2, 1, 0)
    assert cells["violence", "prompt_sending", "base64", True].successes == 2
    assert {is_off for is_off, text in model.asked if "bomb" in text} == {True, False}
    evidence = tmp_path / "red-team" / campaign_id / "memory.db"
    assert campaign.evidence_bytes == evidence.stat().st_size
    assert len(campaign.evidence_sha256) == 64
    assert evidence.parent.stat().st_mode & 0o077 == 0


def test_harmless_questions_are_asked_along_and_are_no_attacks(
    *, do, begun, model, make_worker, red_team, attacker
):
    campaign_id = begun(datasets=("scripted", "harmless"), converters=("none",), per_harm=200)
    assert make_worker(model).carry_on(threading.Event())
    cells = do(red_team.results, attacker, campaign_id).cells
    assert rules.total(attacks_among(cells)).attacks == 16
    declined = sum(REFUSED in each.lower() for each in QUESTIONS)
    filtered = sum(FILTERED in each.lower() for each in QUESTIONS)
    assert declined > filtered > 0
    assert refused_of(cells, is_filtered=False) == (declined, len(QUESTIONS))
    assert refused_of(cells, is_filtered=True) == (declined + filtered, len(QUESTIONS))
    scorecard = do(red_team.scorecard, attacker, campaign_id, is_filtered=True)
    assert "harmless" not in json.dumps(scorecard)


def test_its_key_is_a_red_team_key_for_its_models_and_revoked_at_the_end(
    *, do, begun, model, make_worker, services, attacker
):
    begun()
    make_worker(model).carry_on(threading.Event())
    (key,) = do(services.accounts.list_keys, attacker, purposes=[KeyPurpose.RED_TEAM])
    assert key.models == {"tw/small"}
    assert key.revoked_at is not None


def test_a_cancelled_campaign_ends_and_keeps_what_was_done(
    *, do, begun, model, make_worker, red_team, attacker
):
    campaign_id = begun(concurrency=1)
    model.gate.clear()
    worker = threading.Thread(target=make_worker(model).carry_on, args=(threading.Event(),))
    worker.start()
    _until(lambda: model.calls > 0)
    do(red_team.cancel, attacker, campaign_id)
    worker.join(60)
    assert not worker.is_alive()
    assert do(red_team.get, attacker, campaign_id).state is CampaignState.CANCELLED
    model.gate.set()
    do(red_team.resume, attacker, campaign_id)
    assert make_worker(model).carry_on(threading.Event())
    campaign = do(red_team.get, attacker, campaign_id)
    assert (campaign.state, campaign.attacks_done) == (CampaignState.COMPLETED, 32)


def test_a_campaign_goes_on_where_a_stopped_worker_left_it(
    *, do, begun, model, make_worker, red_team, attacker, tmp_path
):
    campaign_id = begun(concurrency=1)
    stop = threading.Event()
    worker = threading.Thread(target=make_worker(model).carry_on, args=(stop,))
    worker.start()
    _until(lambda: do(red_team.get, attacker, campaign_id).attacks_done > 0)
    stop.set()
    worker.join(60)
    make_worker(model).carry_on(threading.Event())
    campaign = do(red_team.get, attacker, campaign_id)
    assert (campaign.state, campaign.attacks_done) == (CampaignState.COMPLETED, 32)
    with sqlite3.connect(tmp_path / "red-team" / campaign_id / "memory.db") as evidence:
        (made,) = evidence.execute("SELECT count(*) FROM AttackResultEntries").fetchone()
    assert made == 32  # none was made twice


def test_a_budget_ends_a_campaign_which_a_larger_one_carries_on(
    *, do, begun, model, make_worker, red_team, attacker
):
    campaign_id = begun(budget_tokens=60, concurrency=1)
    make_worker(model).carry_on(threading.Event())
    campaign = do(red_team.get, attacker, campaign_id)
    assert campaign.state is CampaignState.COMPLETED
    assert campaign.is_spent
    assert 60 <= campaign.tokens < 90
    assert campaign.attacks_done < 32
    do(red_team.resume, attacker, campaign_id, budget_tokens=10_000)
    make_worker(model).carry_on(threading.Event())
    campaign = do(red_team.get, attacker, campaign_id)
    assert (campaign.is_spent, campaign.attacks_done) == (False, 32)
    with pytest.raises(CampaignOver):
        do(red_team.resume, attacker, campaign_id)


def test_calls_that_fail_are_errors_and_in_no_rate(
    *, do, begun, model, make_worker, red_team, attacker, services
):
    data = b"harm,value\nviolence,a broken thing\nviolence,kind words\n"
    own = do(red_team.add_dataset, attacker, ADA, "Mine", data, file_name="mine.csv")
    campaign_id = begun(datasets=(own.dataset_id,), converters=("none",), filters=(True,))
    make_worker(model).carry_on(threading.Event())
    (cell,) = do(red_team.results, attacker, campaign_id).cells
    assert (cell.counts.attacks, cell.counts.errors, cell.counts.judged) == (2, 1, 1)
    (failed,) = do(red_team.attacks, attacker, campaign_id, outcome=Outcome.ERROR)
    assert failed.detail == "Status Code: 500"


class _Broken:
    """A tool whose driver is a program of the test."""

    name = "fake"
    environment = None

    def __init__(self, program):
        self._program = program
        self.catalog = red_team_tools()["fake"].catalog

    def command(self, python):
        return (str(python), "-c", self._program)

    def environ(self, folder):
        return {"PATH": os.environ["PATH"], "HOME": str(folder)}


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import sys; sys.exit(3)", "status 3"),
        ("print('not json')", "cannot be read"),
        ('print(\'{"kind": "failed", "error": "no luck"}\')', "no luck"),
        ("print('x' * 100_000)", "too long"),
    ],
)
def test_a_driver_that_breaks_fails_its_campaign_and_no_other(
    *, do, begun, model, make_worker, red_team, attacker, program, told
):
    campaign_id = begun()
    make_worker(model, {"fake": _Broken(program)}).carry_on(threading.Event())
    campaign = do(red_team.get, attacker, campaign_id)
    assert campaign.state is CampaignState.FAILED
    assert told in campaign.error


def test_no_process_of_a_driver_is_left_behind(
    *, do, begun, model, make_worker, red_team, attacker, tmp_path
):
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    campaign_id = begun()
    worker = threading.Thread(
        target=make_worker(model, {"fake": _Broken(program)}).carry_on, args=(threading.Event(),)
    )
    worker.start()
    _until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    do(red_team.cancel, attacker, campaign_id)
    worker.join(60)
    pid = int((tmp_path / "pid").read_text())
    _until(lambda: not _runs(pid))


def test_a_campaign_whose_worker_keeps_dying_is_given_up(
    *, do, begun, database, red_team, attacker
):
    campaign_id = begun()

    class Later(SystemClock):
        span = timedelta()

        def now(self):
            return super().now() + self.span

    later = Later()
    runs = Runs(later, find_target)
    for attempt in range(5):
        later.span = timedelta(minutes=3 * attempt)
        assert do(runs.claim) is not None
    campaign = do(red_team.get, attacker, campaign_id)
    assert campaign.state is CampaignState.FAILED
    assert "4 times" in campaign.error


def _until(is_so, seconds=60):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def _runs(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
