"""Passwords as argon2id."""

import pytest
from argon2 import PasswordHasher, extract_parameters

from tradewind.features.accounts.passwords import (
    HASHER,
    PasswordHashDamaged,
    Passwords,
    Verdict,
)

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
CHEAP_BUT_NEWER = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)


def test_the_right_password_is_right_and_another_one_wrong():
    passwords = Passwords(CHEAP)
    stored = passwords.hash(b"correct horse battery")
    assert passwords.check(stored, b"correct horse battery") is Verdict.RIGHT
    assert passwords.check(stored, b"correct horse batterx") is Verdict.WRONG
    assert passwords.check(stored, None) is Verdict.WRONG


def test_a_hash_with_yesterdays_parameters_is_right_but_old():
    stored = Passwords(CHEAP).hash(b"correct horse battery")
    verdict = Passwords(CHEAP_BUT_NEWER).check(stored, b"correct horse battery")
    assert verdict is Verdict.RIGHT_BUT_OLD


def test_nobody_has_a_password_and_checking_it_costs_the_same_work():
    passwords = Passwords()
    assert passwords.check(None, b"anything") is Verdict.WRONG
    assert passwords.check(None, None) is Verdict.WRONG
    # The hash of nobody asks for the very work that a real one asks for.
    assert extract_parameters(passwords._nobody) == extract_parameters(HASHER.hash(b"x"))


def test_a_stored_hash_that_is_none_is_an_error_and_lets_nobody_in():
    with pytest.raises(PasswordHashDamaged):
        Passwords(CHEAP).check("plain text", b"plain text")
