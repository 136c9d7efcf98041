"""Price files: signed, checked line by line, all or nothing, once."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.features.market.price_parts import (
    ADMIN,
    DAY,
    MODEL,
    NOTICE,
    START,
    PriceWorld,
    Signer,
    entry,
    price_file,
    terms,
)
from tradewind.features.market.errors import (
    PriceFileRefused,
    ProposalDecided,
    SignatureUnknown,
)
from tradewind.features.market.rules.price_file import read_price_file

pytestmark = pytest.mark.postgres

USD = 1_000_000_000


@pytest.fixture
def world(database):
    world = PriceWorld(database)
    world.add_model()
    world.add_model("large")
    world.trust()
    return world


def problems(world, content):
    with pytest.raises(PriceFileRefused) as refused:
        world.apply(content)
    return [(problem.line, problem.message) for problem in refused.value.problems]


def test_a_file_sets_all_its_prices_at_once(world):
    report = world.apply(price_file(entry(), entry("tw/large", '{output_tokens: "0.25"}')))
    assert (report.set_prices, report.held, report.unchanged) == (2, 0, 0)
    assert world.costs_at(START) == 2 * USD
    [large] = world.versions("tw/large")
    assert (large.output_nanos, large.source.value, large.subject) == (
        USD // 4,
        "file",
        report.file_id,
    )


def test_a_dry_run_tells_the_same_and_changes_nothing(world):
    world.set(terms(USD, 4 * USD))
    report = world.check(price_file(entry()))
    [quote] = report.quotes
    moves = {move.meter: move for move in quote.difference.moves}
    assert (moves["input_tokens"].old, moves["input_tokens"].new) == (USD, 2 * USD)
    assert str(moves["input_tokens"].percent) == "100.00"
    assert str(moves["output_tokens"].percent) == "0.00"
    assert quote.effective_at == NOTICE
    assert report.file_id is None
    assert len(world.versions()) == 1


def test_the_same_file_again_does_nothing(world):
    content = price_file(entry(effective_at="2026-01-11T00:00:00Z"))
    first = world.apply(content)
    world.clock.at += 30 * DAY  # its moment has passed by now
    again = world.apply(content)
    assert (again.is_new, again.file_id) == (False, first.file_id)
    assert len(world.versions()) == 1


def test_another_file_that_says_the_same_sets_nothing(world):
    world.apply(price_file(entry()))
    report = world.apply(price_file(entry(), more="# once more"))
    assert (report.set_prices, report.unchanged) == (0, 1)
    assert len(world.versions()) == 1


def test_json_is_read_as_well_as_yaml(world):
    world.apply(
        '{\n\t"format": "tradewind-prices-1",\n\t"currency": "USD",\n\t"prices": [\n\t\t'
        '{"model": "tw\\/small", "prices": {"input_tokens": "2"}}\n\t]\n}'
    )
    assert world.costs_at(START) == 2 * USD


def test_every_problem_is_named_with_its_line_and_nothing_is_set(world):
    content = price_file(
        entry(),
        entry("tw/none"),
        entry("tw/large", '{input_tokens: "two"}'),
        entry("tw/large", '{input_tokens: "0"}'),
        entry("tw/large", effective_at="2025-01-01T00:00:00Z"),
        entry("nothing"),
        "  - {model: tw/large, price: 1}",
    )
    found = problems(world, content)
    assert [line for line, _ in found] == [6, 7, 9, 10]
    content = price_file(
        entry(), entry("tw/none"), entry(seller="other", effective_at="2026-03-01")
    )
    assert [line for line, _ in problems(world, content)] == [6]
    content = price_file(entry("tw/none"), entry("tw/large", effective_at="2025-01-01T00:00:00Z"))
    assert problems(world, content) == [
        (4, "there is no model 'tw/none'"),
        (5, "tw/large: 2025-01-01T00:00:00Z has passed"),
    ]
    assert world.versions() == []


def test_a_rise_without_its_notice_is_a_problem_of_its_line(world):
    world.set(terms(USD, 4 * USD))
    [(line, message)] = problems(world, price_file(entry(effective_at="2026-01-20T00:00:00Z")))
    assert line == 4
    assert "the notice of 30 days ends at 2026-02-10T00:00:00Z" in message


def test_prices_of_several_moments_follow_each_other(world):
    world.apply(
        price_file(
            entry(prices='{input_tokens: "3"}', effective_at="2026-03-01T00:00:00Z"),
            entry(prices='{input_tokens: "2"}'),
        )
    )
    assert world.costs_at(START) == 2 * USD
    assert world.costs_at(NOTICE + 30 * DAY) == 3 * USD


def test_what_looks_like_a_mistake_waits_and_the_rest_is_set(world):
    world.set(terms(USD // 10, 4 * USD))
    report = world.apply(price_file(entry(), entry("tw/large")))
    assert (report.set_prices, report.held) == (1, 1)
    assert world.costs_at(START) == USD // 10
    [waiting] = world.do(world.proposals.waiting, ADMIN)
    assert (waiting.reason, waiting.subject) == (
        "input_tokens would cost 10 times as much or more",
        report.file_id,
    )
    price_id = world.do(
        world.proposals.decide, ADMIN, waiting.proposal_id, is_accepted=True, by="Ada"
    )
    assert price_id == world.versions()[0].price_id
    assert (world.costs_at(NOTICE - DAY), world.costs_at(NOTICE)) == (USD // 10, 2 * USD)
    with pytest.raises(ProposalDecided):
        world.do(world.proposals.decide, ADMIN, waiting.proposal_id, is_accepted=False, by="Ada")


def test_what_is_refused_changes_nothing(world):
    world.set(terms(USD // 10, 4 * USD))
    world.apply(price_file(entry()))
    [waiting] = world.do(world.proposals.waiting, ADMIN)
    world.do(world.proposals.decide, ADMIN, waiting.proposal_id, is_accepted=False, by="Ada")
    assert world.do(world.proposals.waiting, ADMIN) == []
    assert len(world.versions()) == 1


def test_a_file_that_nobody_trusted_signed_is_refused(world):
    content = price_file(entry())
    key_id, signature = world.signer.sign(content.encode())
    stranger_id, strange = Signer().sign(content.encode())
    for wrong in (
        {"key_id": stranger_id, "signature": strange},
        {"key_id": key_id, "signature": strange},
        {"key_id": key_id, "signature": signature[:-1]},
    ):
        with pytest.raises(SignatureUnknown):
            world.apply(content, **wrong)
    with pytest.raises(SignatureUnknown):
        world.apply(content + "\n", key_id=key_id, signature=signature)
    assert world.versions() == []


def test_a_revoked_key_prices_nothing_more(world):
    content = price_file(entry())
    world.apply(content)
    [key] = world.do(world.files.keys, ADMIN)
    world.do(world.files.revoke_key, ADMIN, key.key_id, by="Ada")
    assert not world.apply(content).is_new
    with pytest.raises(SignatureUnknown, match="was revoked"):
        world.apply(price_file(entry("tw/large")))


def test_a_key_of_a_publisher_prices_its_models_alone(database):
    world = PriceWorld(database)
    world.add_model()
    world.trust(publisher="acme")
    assert problems(world, price_file(entry())) == [(4, "the key is for models of acme alone")]


def test_a_file_that_was_applied_stays_as_it_was(world, database):
    world.apply(price_file(entry()))
    with pytest.raises(IntegrityError, match="immutable"), database.transaction() as tx:
        tx.execute(text("UPDATE price_file SET content = ''"))


def test_a_free_model_is_said_to_be_free(world):
    world.apply(price_file("  - {model: tw/small, free: true}"))
    assert world.versions()[0].is_free


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"", 1, "the file is empty"),
        (b"\n\n\xff", 3, "the file is not UTF-8"),
        (b"a: [", 2, "this is not YAML"),
        (b"a: &x 1\nb: *x\n", 2, "an alias stands for something: write it out"),
        (b"a: 1\n---\nb: 1\n", 2, "a second document begins"),
        (b"[" * 5000, 1, "values are nested deeper than 8"),
        (b"- 1\n", 1, "the file is not a mapping"),
        (b"format: x\nprices: []\n", 1, "`format` is not tradewind-prices-1"),
        (b"#" * (4 * 1024 * 1024 + 1), 1, "the file is longer than 4194304 bytes"),
    ],
)
def test_what_is_no_price_file_is_told_where(content, line, message):
    assert (line, message) in read_price_file(content).problems


def test_the_model_named_twice_at_one_moment_is_a_problem(world):
    assert problems(world, price_file(entry(), entry())) == [
        (5, f"{MODEL} has this moment already on line 4")
    ]
