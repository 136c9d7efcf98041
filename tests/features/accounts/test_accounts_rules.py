"""The pure rules."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.errors import InvalidInput
from tradewind.features.accounts import rules
from tradewind.features.accounts.rules import LOCKOUTS, SubjectKind
from tradewind.snapshot.contents import Limits

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "   ", "a" * 81, "two\nlines", "nul\x00", "\u202eback to front", "\ud800"]
)
def test_a_name_is_one_to_eighty_printable_characters(text):
    with pytest.raises(InvalidInput, match="the name of the key"):
        rules.clean_name(text, what="key")


def test_a_name_loses_its_outer_spaces_and_nothing_else():
    assert rules.clean_name("  Zoë's laptop  ", what="key") == "Zoë's laptop"


@pytest.mark.parametrize("text", [" Ada@Example.ORG ", "\uff41da@example.org", "ada@example.org"])
def test_an_address_has_one_form_however_it_is_typed(text):
    assert rules.clean_email(text) == "ada@example.org"


@pytest.mark.parametrize(
    "text",
    ["", "@", "ada", "ada@", "@example.org", "a@b@c", "a b@c", "a\x00@b", "a" * 250 + "@b.org"],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InvalidInput):
        rules.clean_email(text)


@given(st.text())
def test_any_text_is_an_address_in_its_final_form_or_refused(text):
    try:
        email = rules.clean_email(text)
    except InvalidInput:
        return
    assert rules.clean_email(email) == email


@pytest.mark.parametrize(
    "password",
    [
        "tiny",
        "elevenchars",
        "ada.lovelace",
        "ada.lovelace@example.org",
        "my ada.lovelace@example.org",
        "x" * 1025,
        "lone surrogate \ud800",
    ],
)
def test_a_bad_password_is_refused_without_being_repeated(password):
    with pytest.raises(InvalidInput) as refused:
        rules.check_new_password(password, "ada.lovelace@example.org")
    assert password not in str(refused.value)


def test_a_password_may_be_any_text_of_twelve_characters_or_more():
    assert rules.check_new_password("x" * 1024, "a@b") == b"x" * 1024
    assert rules.check_new_password("zwölf Zeichen", "a@b") == "zwölf Zeichen".encode()


def test_the_same_letters_from_two_keyboards_are_the_same_password():
    assert rules.password_bytes("zwo\u0308lf Zeichen") == rules.password_bytes("zwölf Zeichen")


def test_a_session_ends_after_an_idle_hour():
    def is_live_after(idle: timedelta) -> bool:
        return rules.is_session_live(
            last_seen_at=NOW, expires_at=NOW + timedelta(hours=12), now=NOW + idle
        )

    assert is_live_after(timedelta(minutes=59, seconds=59))
    assert not is_live_after(timedelta(hours=1))


def test_a_session_ends_twelve_hours_after_sign_in_however_busy():
    end = NOW + timedelta(hours=12)
    just_before = end - timedelta(seconds=1)
    assert rules.is_session_live(last_seen_at=just_before, expires_at=end, now=just_before)
    assert not rules.is_session_live(last_seen_at=just_before, expires_at=end, now=end)


@pytest.mark.parametrize("kind", list(SubjectKind))
def test_the_free_failures_cost_no_wait_and_each_one_more_doubles_it(kind):
    lockout = LOCKOUTS[kind]

    def wait(failures: int) -> int | None:
        return rules.lockout_s(kind, failures=failures, last_failed_at=NOW, now=NOW)

    assert wait(lockout.failures - 1) is None
    assert wait(lockout.failures) == lockout.first_s
    assert wait(lockout.failures + 1) == lockout.first_s * 2
    assert wait(10**9) == lockout.longest_s


def test_a_wait_is_rounded_up_and_ends():
    def wait_after(elapsed: timedelta) -> int | None:
        return rules.lockout_s(SubjectKind.PAIR, failures=5, last_failed_at=NOW, now=NOW + elapsed)

    assert wait_after(timedelta(seconds=29.5)) == 1
    assert wait_after(timedelta(seconds=30)) is None


def test_a_quiet_hour_makes_the_count_start_again():
    def failures_after(quiet: timedelta) -> int:
        return rules.failures_after(failures=7, last_failed_at=NOW, now=NOW + quiet)

    assert failures_after(timedelta(minutes=59)) == 8
    assert failures_after(timedelta(hours=1)) == 1


@pytest.mark.parametrize(
    ("peer", "subject"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_a_peer_is_an_address_or_a_whole_network_of_ipv6(peer, subject):
    assert rules.peer_subject(peer) == subject


@given(st.text())
def test_any_text_can_be_a_peer(text):
    assert len(rules.peer_subject(text)) <= 64


@pytest.mark.parametrize(
    "expires_at",
    [NOW, NOW - timedelta(seconds=1), NOW + timedelta(days=4000), datetime(2031, 1, 1)],  # noqa: DTZ001
)
def test_an_expiry_lies_in_the_next_ten_years_and_has_a_zone(expires_at):
    with pytest.raises(InvalidInput):
        rules.check_expiry(expires_at, NOW)


@pytest.mark.parametrize("limits", [Limits(0), Limits(None, -1), Limits(None, None, 2**31)])
def test_a_limit_is_missing_or_positive_and_fits(limits):
    with pytest.raises(InvalidInput):
        rules.check_limits(limits)


def test_limits_may_be_missing_or_set():
    rules.check_limits(Limits())
    rules.check_limits(Limits(1, 2, 2**31 - 1))


@pytest.mark.parametrize("models", [[], [""], ["a\x00"], ["m" * 201], map(str, range(1001))])
def test_a_list_of_models_is_neither_empty_nor_endless(models):
    with pytest.raises(InvalidInput):
        rules.clean_models(models)


def test_no_list_of_models_is_all_of_them():
    assert rules.clean_models(None) is None
    assert rules.clean_models(["a/b", "a/b", "c"]) == {"a/b", "c"}
