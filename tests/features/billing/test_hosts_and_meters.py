"""What hosts take is owed to them; rarer meters come on the invoice, each unit in one of them."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.features.billing.billing_parts import APRIL, HOUR, MARCH, MAY, World, event
from tradewind.core.pricing.charges import MeterCharge, PerUnit, PlanTerms
from tradewind.core.pricing.rating import Used
from tradewind.features.billing.ports import NoSubscriptions, SubscribedTerm
from tradewind.features.billing.schemas import Label, LineKind
from tradewind.features.billing.usage_lines import quantities
from tradewind.features.ledger.schemas import AccountKind

pytestmark = pytest.mark.postgres


def took(nanos, host="openai", currency="EUR"):
    return {"provider_cost_nanos": nanos, "provider_currency": currency, "host": host}


def frozen(world, row):
    with world.database.transaction() as tx:
        return world.billing.frozen(tx, row.invoice_id)


def test_what_a_host_takes_is_a_cost_and_owed_in_its_own_currency(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(
        event(acme, price, MARCH, **took(3_000)),
        event(acme, price, MARCH, **took(4_000)),
        event(acme, price, MARCH, **took(5, "mistral", "USD")),
    )

    world.settle()

    assert world.balance(AccountKind.PROVIDER_COST, "openai", "EUR") == 7_000
    assert world.balance(AccountKind.PROVIDER_PAYABLE, "openai", "EUR") == -7_000
    assert world.balance(AccountKind.PROVIDER_COST, "mistral", "USD") == 5
    assert world.differences() == []


def test_a_correction_takes_the_cost_back_and_a_second_settlement_adds_nothing(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(event(acme, price, MARCH, **took(3_000)))
    world.settle()

    world.use(event(acme, price, MARCH, cost_nanos=0, input_tokens=0, **took(-1_000)))
    world.settle()
    world.settle()

    assert world.balance(AccountKind.PROVIDER_PAYABLE, "openai", "EUR") == -2_000
    assert world.differences() == []


def test_hosts_are_paid_also_for_whom_nobody_charges_but_not_for_an_own_account(world):
    guest = world.add_buyer(mode=None)
    price, own = world.add_price(), world.add_price(is_charged=False)
    world.use(event(guest, price, MARCH, **took(100)), event(guest, own, MARCH, **took(9_000)))

    world.settle()

    assert world.balance(AccountKind.PROVIDER_COST, "openai", "EUR") == 100
    assert world.balance(AccountKind.UNBILLED, guest) == 0
    assert world.differences() == []


def test_a_cost_that_is_missing_in_the_ledger_is_found(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(event(acme, price, MARCH, **took(3_000)))
    world.settle()
    with world.database.transaction() as tx:
        tx.execute(text("UPDATE usage_hour_host SET provider_cost_nanos = 3001"))

    [found] = world.differences()
    assert found == (
        f"hosts: {acme} {MARCH.isoformat()}: what openai took differs from what is settled"
        " by +1 nanos of EUR, +0 requests"
    )


def test_what_a_host_took_is_never_changed(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(event(acme, price, MARCH, meters={"images": 1}, **took(3_000)))
    world.settle()

    for table in ("settlement_host", "settlement_meter"):
        with pytest.raises(DBAPIError), world.database.transaction() as tx:
            tx.execute(text(f"DELETE FROM {table}"))


def test_rarer_meters_are_on_the_line_and_late_ones_on_the_next(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(
        event(acme, price, MARCH, meters={"images": 2, "reasoning_tokens": 100}),
        event(acme, price, MARCH + HOUR, meters={"images": 1}),
    )

    [line] = frozen(world, world.invoice(acme)).content.lines
    world.clock.turn_to(MAY)
    world.use(event(acme, price, MARCH, meters={"images": 5}, cost_nanos=10_000_000))
    [late] = frozen(world, world.invoice(acme, MAY)).content.lines

    assert line.evidence.quantities == {
        "requests": 2,
        "input_tokens": 2_000,
        "output_tokens": 900,
        "reasoning_tokens": 100,
        "images": 3,
    }
    assert late.evidence.is_late
    assert late.evidence.quantities["images"] == 5
    assert world.differences() == []


def test_meters_that_are_corrected_alone_have_a_line_of_nothing(world):
    acme, price = world.add_buyer(), world.add_price()
    world.use(event(acme, price, MARCH, cost_nanos=10**9, meters={"images": 2}))
    world.settle()
    world.use(
        event(
            acme,
            price,
            MARCH,
            meters={"images": -1},
            cost_nanos=0,
            input_tokens=0,
            output_tokens=0,
            corrects=event(acme, price, MARCH).event_id,
        )
    )

    row = world.invoice(acme)

    [line] = frozen(world, row).content.lines
    assert line.evidence.quantities["images"] == 1
    assert world.differences() == []


@pytest.mark.parametrize(
    ("tokens", "meters", "found"),
    [
        ((100, 10, 5, 50), {}, {"input_tokens": 85, "output_tokens": 50}),
        (
            (100, 10, 5, 50),
            {"audio_input_tokens": 80, "audio_output_tokens": 20, "reasoning_tokens": 10},
            {
                "input_tokens": 5,
                "audio_input_tokens": 80,
                "output_tokens": 20,
                "audio_output_tokens": 20,
                "reasoning_tokens": 10,
            },
        ),
        ((0, 0, 0, 5), {"reasoning_tokens": 9}, {"reasoning_tokens": 5}),
        ((0, 0, 0, -5), {"reasoning_tokens": -2}, {"output_tokens": -3, "reasoning_tokens": -2}),
        ((0, 0, 0, 0), {"requests": 3, "output_tokens": 7}, {"requests": 3}),
    ],
)
def test_each_unit_is_in_one_meter(tokens, meters, found):
    names = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")
    counted = quantities(dict(zip(names, tokens, strict=True)), meters)

    cached = {"cached_input_tokens": 10, "cache_write_tokens": 5} if tokens[1] else {}
    assert counted == {**found, **cached}


class Metered(NoSubscriptions):
    """Images at 0.04 each, tokens of batches at half, and a custom meter that was reported."""

    organization_id = ""
    terms = PlanTerms(
        currency="USD",
        charges=(
            MeterCharge("images", PerUnit(40_000_000 * 1_000_000)),
            MeterCharge("output_tokens", PerUnit(1_000_000 * 1_000_000), batch_percent=50),
            MeterCharge("pages", PerUnit(10_000_000 * 1_000_000)),
        ),
    )

    def terms_of(self, tx, organization_ids, since, until):
        reported = (Used("pages", MARCH, 7), Used("pages", APRIL, 1_000))
        return [
            SubscribedTerm(
                "sub_1",
                self.organization_id,
                ("acme/one",),
                self.terms,
                MARCH,
                APRIL + timedelta(days=60),
                metered=reported,
            )
        ]


def test_a_plan_charges_rarer_meters_batches_and_what_was_reported(database):
    plans = Metered()
    world = World.begin(database, plans)
    acme, price = world.add_buyer(), world.add_price()
    plans.organization_id = acme
    world.use(
        event(acme, price, MARCH, cost_nanos=0, meters={"images": 3}, output_tokens=100),
        event(acme, price, MARCH, cost_nanos=0, is_batch=True, output_tokens=100),
    )

    lines = {line.kind: line for line in frozen(world, world.invoice(acme)).content.lines}

    assert lines[LineKind.ADJUSTMENT].exact == "0.34", "0.12 + 0.10 + 0.05 + 0.07"
    assert lines[LineKind.ADJUSTMENT].evidence.quantities["images"] == 3


def test_usage_carries_the_cost_centre_and_the_tags_of_its_project(world):
    acme, price = world.add_buyer(), world.add_price()
    with world.database.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO project (id, organization_id, name, created_at)"
                " VALUES ('proj_1', :organization, 'One', now())"
            ),
            {"organization": acme},
        )
        world.billing.set_label(tx, acme, "proj_1", Label("CC-4711", {"team": "search"}))
        world.billing.set_label(tx, acme, "proj_1", Label("CC-4712", {"team": "search"}))
        assert world.billing.labels(tx, acme) == {"proj_1": Label("CC-4712", {"team": "search"})}
    world.use(
        event(acme, price, MARCH, cost_nanos=10**9),
        event(acme, price, MARCH, cost_nanos=10**9, project_id="proj_2"),
    )

    lines = {line.project: line for line in frozen(world, world.invoice(acme)).content.lines}

    assert lines["proj_1"].evidence.cost_centre == "CC-4712"
    assert lines["proj_1"].evidence.tags == {"team": "search"}
    assert lines["proj_2"].evidence.cost_centre == ""
