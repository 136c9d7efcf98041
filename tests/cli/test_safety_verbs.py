"""`tradewind safety`, as a shell sees it."""

import pytest

from tradewind.core.clock import SystemClock
from tradewind.features.accounts.service import Accounts
from tradewind.serve.secret_files import load_or_create_pepper

pytestmark = pytest.mark.postgres

POLICY = """\
name: Desk
why: support talks to customers
rules:
  - category: pii.email
    direction: prompt
    threshold: low
    action: redact
checks:
  - name: pii
    directions: [prompt]
"""


@pytest.fixture
def platform(database, tmp_path):
    (tmp_path / "data").mkdir()
    accounts = Accounts(load_or_create_pepper(tmp_path / "data" / "secrets"), SystemClock())
    with database.transaction() as tx:
        return accounts.first_run(tx)


def test_a_policy_is_kept_as_a_file_applied_bound_and_tried(*, run, told, platform, tmp_path):
    file = tmp_path / "desk.yml"
    file.write_text(POLICY)
    applied = told("safety", "policies", "apply", file)
    assert (applied["version"], applied["is_changed"]) == (1, True)
    assert applied["words"][0] == (
        "Takes out personal data (email) from low (2) on in what the caller writes"
    )
    assert not told("safety", "policies", "apply", file)["is_changed"]

    shown = run("safety", "policies", "show", "Desk").stdout
    assert "# Takes out personal data (email)" in shown
    file.write_text(shown)
    assert not told("safety", "policies", "apply", file)["is_changed"]

    assert "holds for the organization" in run("safety", "policies", "bind", "Desk").stdout
    bound = told("safety", "policies", "show", "Desk")["bindings"]
    assert bound == [{"kind": "organization", "subject": platform.organization_id}]
    refused = run("safety", "policies", "delete", "Desk")
    assert refused.returncode == 1
    assert "is bound to organization" in refused.stderr

    tried = told("safety", "dry-run", file)
    assert (tried["state"], tried["calls"]) == ("done", 0)


def test_a_policy_that_cannot_be_is_one_line(run, platform, tmp_path):
    file = tmp_path / "bad.yml"
    file.write_text(POLICY.replace("low", "9"))
    refused = run("safety", "policies", "apply", file)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "rules[0].threshold" in refused.stderr


def test_terms_come_from_a_file(run, told, platform, tmp_path):
    terms = tmp_path / "terms.txt"
    terms.write_text("\n".join(f"term {number}" for number in range(250)))
    assert "250 terms" in run("safety", "blocklists", "load", "rivals", terms).stdout
    (listed,) = told("safety", "blocklists", "list")["blocklists"]
    assert (listed["name"], listed["items"]) == ("rivals", 250)
