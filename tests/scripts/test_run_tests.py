"""Which tests a group runs, and how its outcome is counted."""

import pytest

from scripts.run_tests import CRASH, GROUPS, Result, counts, select


def selections(*arguments):
    return {group.name: select(group, list(arguments)) for group in GROUPS}


def test_without_paths_the_crash_folder_belongs_to_its_group_alone():
    chosen = selections("-k", "journal")
    assert chosen.pop("crash") == [CRASH, "-k", "journal"]
    assert all(f"--ignore={CRASH}" in (selection or ()) for selection in chosen.values())


def test_groups_without_a_named_path_do_not_run():
    assert [name for name, selection in selections(CRASH).items() if selection] == ["crash"]
    assert selections("tests/scripts")["crash"] is None


def test_groups_share_no_test_but_the_machines_which_try_more_on_their_own():
    markers = [group.markers for group in GROUPS if not group.is_crash and not group.examples]
    assert markers == ["not platform and not browser", "platform and not browser", "browser"]
    [machines] = [group for group in GROUPS if group.examples]
    assert (machines.markers, machines.is_parallel) == ("machine", True)
    assert 2 * machines.examples >= 5_000


@pytest.mark.parametrize(
    ("status", "expected"),
    [(0, (4, 0, 1)), (1, (2, 2, 1))],
)
def test_errors_count_as_failures(tmp_path, status, expected):
    report = tmp_path / "report.xml"
    failures, errors = (1, 1) if status else (0, 0)
    report.write_text(
        f'<testsuites><testsuite tests="5" failures="{failures}" errors="{errors}" skipped="1"/>'
        "</testsuites>"
    )
    assert counts(report, status) == expected


def test_a_run_that_broke_before_its_report_is_a_failure(tmp_path):
    assert counts(tmp_path / "none.xml", 3) == (0, 1, 0)


def test_a_group_that_collects_nothing_is_no_failure(tmp_path):
    assert counts(tmp_path / "none.xml", 5) == (0, 0, 0)
    assert Result("crash", 5, 0, 0, 0, 1.0).is_good
    assert not Result("crash", 2, 0, 0, 0, 1.0).is_good
