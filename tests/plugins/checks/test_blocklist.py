import pytest

from tests.plugins.checks.examining import findings
from tradewind.plugins.checks.base import CheckFailed
from tradewind.plugins.checks.blocklist import MOST_TERMS, Blocklist, Term, TermRefused, pack

CHECK = Blocklist()


def prepared(*terms, name="list"):
    return CHECK.prepare(
        name,
        pack(
            [
                Term(f"t{at}", *each) if isinstance(each, tuple) else Term(f"t{at}", each)
                for at, each in enumerate(terms)
            ]
        ),
    )


def hits(text, *terms, **more):
    return [
        (each.source, text[each.start : each.end])
        for each in findings(CHECK, text, data=[prepared(*terms)], **more)
    ]


def test_a_finding_names_the_list_and_the_id_of_the_term():
    [finding] = findings(CHECK, "so BAD!", data=[prepared("good", "bad", name="words")])
    assert (finding.category, finding.source, finding.severity) == ("blocklist", "words/t1", 6)
    assert (finding.start, finding.end) == (3, 6)


def test_terms_are_whole_words():
    assert hits("badly embad bad.", "bad") == [("list/t0", "bad")]
    assert hits("a C++ program", "c++") == [("list/t0", "C++")]


def test_scripts_without_spaces_need_no_edges():
    assert hits("去赌场玩", "赌场") == [("list/t0", "赌场")]


WRITTEN = (
    "bad word|BAD WORD|Bad\nWord|ｂａｄ ｗｏｒｄ|b\u200bad wo\u00adrd|ba\u2060d word|"
    "b\u0430d w\u043erd|𝐛𝐚𝐝 𝐰𝐨𝐫𝐝"
)


@pytest.mark.parametrize("written", WRITTEN.split("|"))
def test_how_it_is_written_does_not_matter(written):
    assert [source for source, _ in hits(f"so {written}!", "bad word")] == ["list/t0"]


def test_an_accent_does_matter_however_it_is_written():
    assert hits("un an\u0303o", "año") == [("list/t0", "an\u0303o")]
    assert hits("un ano", "año") == []
    assert hits("un año", "ano") == []


def test_terms_within_terms_are_all_told():
    assert hits("new york city", "new york", "york city", "york") == [
        ("list/t0", "new york"),
        ("list/t2", "york"),
        ("list/t1", "york city"),
    ]


def test_several_lists_are_looked_for_together():
    one, other = prepared("bad", name="a"), prepared("bad", name="b")
    assert [each.source for each in findings(CHECK, "bad", data=[one, other])] == ["a/t0", "b/t0"]


def test_expressions_are_found_where_they_begin():
    terms = [(r"(?:buy|sell)\s+cheap\s+pills?", True), (r"\d{3}-secret", True)]
    assert hits("Buy  cheap pills, code 123-SECRET", *terms) == [
        ("list/t0", "Buy  cheap pills"),
        ("list/t1", "123-SECRET"),
    ]


def test_what_ended_within_the_look_back_is_not_told_again():
    assert hits("bad bad", "bad", look_back=3) == [("list/t0", "bad")]


def test_packing_does_not_depend_on_the_order():
    terms = [Term("b", "two"), Term("a", "one"), Term("c", "x+y", is_expression=True)]
    assert pack(terms) == pack(terms[::-1])


@pytest.mark.parametrize(
    "terms",
    [
        [Term("a", "x" * 129)],
        [Term("a", "  ")],
        [Term("a", "\u200b")],
        [Term("", "x")],
        [Term("a", "x"), Term("a", "y")],
        [Term("a", "(a+)+b", is_expression=True)],
    ],
)
def test_terms_that_cannot_be_are_refused_by_their_id(terms):
    with pytest.raises(TermRefused):
        pack(terms)


def test_a_list_is_bounded():
    pack(Term(str(at), f"word{at}") for at in range(MOST_TERMS))
    with pytest.raises(TermRefused):
        pack(Term(str(at), f"word{at}") for at in range(MOST_TERMS + 1))


def test_expressions_of_a_list_are_bounded_together():
    slow = r"foo.{0,40}bar"
    with pytest.raises(TermRefused, match="together"):
        pack(Term(str(at), slow, is_expression=True) for at in range(100))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", pack([Term("a", "x")])[:-1], b"tradewind blocklist 1\n\x91\x01"]
)
def test_other_bytes_are_no_list(raw):
    with pytest.raises(CheckFailed):
        CHECK.prepare("list", raw)


def test_ten_thousand_terms_are_found_each():
    data = CHECK.prepare("all", pack(Term(f"t{at}", f"term{at}x") for at in range(10_000)))
    text = " ".join(f"term{at}x" for at in range(0, 10_000, 997))
    assert [each.source for each in findings(CHECK, text, data=[data])] == [
        f"all/t{at}" for at in range(0, 10_000, 997)
    ]
