import numpy as np
import pytest

from tests.plugins.checks.examining import findings
from tradewind.plugins.checks.base import CheckFailed
from tradewind.plugins.checks.protected_material import ProtectedMaterial, Work, index
from tradewind.plugins.checks.shingles import RUN, WINDOW, runs, winnowed
from tradewind.snapshot.safety import Direction

CHECK = ProtectedMaterial()
POEM = (
    "The lighthouse keeper counted ships at dawn and wrote their names in salt upon the wall; "
    "each tide erased a vessel and a crew, until the wall was clean, and he forgot them all. "
    "At night the lamp turned slowly like a thought that cannot find the word it wants to say, "
    "and far below the patient water taught the cliff to be a beach some other day."
)
GPL_CODE = '''
def fold_ledger(entries, *, opening=0):
    """Fold entries into balances, refusing those that go below zero."""
    balance = opening
    for entry in sorted(entries, key=lambda each: (each.day, each.number)):
        if entry.kind == "debit" and balance < entry.amount:
            raise LedgerRefused(entry.number, balance, entry.amount)
        balance += entry.amount if entry.kind == "credit" else -entry.amount
        yield entry.day, balance
'''
WORKS = [
    Work(POEM, "The Keeper", "All rights reserved", "https://poems.example/keeper"),
    Work(GPL_CODE, "ledgerfold", "GPL-3.0-only", "https://code.example/ledgerfold", is_code=True),
]
DATA = CHECK.prepare("corpus", index(WORKS))


def copies(text, **more):
    return findings(CHECK, text, direction=Direction.COMPLETION, data=[DATA], **more)


def test_a_planted_snippet_is_found_with_its_licence_and_address():
    snippet = GPL_CODE[120:420]
    text = f"Sure, here you are:\n```python\n{snippet}\n```\nHave fun!"
    [finding] = copies(text)
    assert finding.category == "protected_material_code"
    assert finding.source == "GPL-3.0-only https://code.example/ledgerfold ledgerfold"
    assert finding.severity == 6
    assert text[finding.start : finding.end] in GPL_CODE


def test_a_passage_of_a_text_is_found_wherever_it_stands():
    passage = " ".join(POEM.split()[20:45])
    text = f"He said: {passage.upper()} -- and left."
    [finding] = copies(text)
    assert finding.category == "protected_material_text"
    assert "rights reserved" in finding.source
    assert text[finding.start : finding.end].lower() in POEM.lower()


@pytest.mark.parametrize("first", range(0, 40, 7))
def test_each_run_of_eleven_words_is_enough(first):
    words = POEM.split()[first : first + RUN + WINDOW - 1]
    assert copies("so " + " ".join(words) + " then")


def test_a_few_shared_words_are_anybodys():
    assert copies("He wrote their names in salt upon the stone and counted ships.") == ()
    assert copies("for entry in sorted(entries): print(entry)") == ()


def test_longer_copies_are_graver():
    severity = [copies(" ".join(POEM.split()[:count]))[0].severity for count in (12, 26, 60)]
    assert severity == [2, 4, 6]


def test_a_copy_with_a_word_changed_is_one_copy():
    words = POEM.split()
    words[30] = "whale"
    assert len(copies(" ".join(words))) == 1


def test_two_works_may_be_copied_in_turns():
    half = " ".join(POEM.split()[:20])
    text = f"{half}\n{GPL_CODE}\n{half}"
    assert {each.category for each in copies(text)} == {
        "protected_material_text",
        "protected_material_code",
    }


def test_what_ended_within_the_look_back_is_not_told_again():
    passage = " ".join(POEM.split()[:20])
    assert copies(passage + " and so on", look_back=len(passage)) == ()


def test_an_index_is_the_same_each_time_and_holds_no_text():
    raw = index(WORKS)
    assert raw == index(WORKS)
    assert b"lighthouse" not in raw
    assert b"balance" not in raw


def test_an_index_is_a_view_of_the_bytes_it_came_in():
    raw = index(WORKS)
    prepared = CHECK.prepare("x", raw)
    assert np.shares_memory(prepared.hashes, np.frombuffer(raw, np.uint8))


def test_winnowing_keeps_about_two_fifths():
    text = " ".join(f"word{at}" for at in range(5000))
    hashes = runs(text, is_code=False).hashes
    assert 0.35 < winnowed(hashes).size / hashes.size < 0.45


CHANGED = (b"", b"x", index(WORKS)[:-1], index(WORKS) + b"x", b"y" + index(WORKS)[1:])


@pytest.mark.parametrize("change", CHANGED)
def test_other_bytes_are_no_index(change):
    with pytest.raises(CheckFailed):
        CHECK.prepare("x", change)


def test_an_index_out_of_order_is_refused():
    raw = bytearray(index(WORKS))
    raw[40:48], raw[48:56] = raw[48:56], raw[40:48]
    with pytest.raises(CheckFailed):
        CHECK.prepare("x", bytes(raw))
