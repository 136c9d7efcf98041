"""Endpoints, targets and asks with only what a test is about."""

from tradewind.gateway.routing.router import AttemptResult, RouteAsk, Router
from tradewind.plugins.providers.registry import providers
from tradewind.snapshot.contents import Endpoint, Operation, Price, Target
from tradewind.wire.routing import ProviderWish, RoutingWish

PROVIDERS = providers()
PRICE = Price("price", "EUR", 2_000_000_000, 6_000_000_000, 1_000_000_000)


def a_target(replica, **changes):
    return Target(
        **{
            "deployment_id": f"dep_{replica}",
            "replica_id": replica,
            "provider": "openai_compatible",
            "address": "h:1",
            "upstream_model": "m",
            "credential": "key",
        }
        | changes
    )


def an_endpoint(*targets, **changes):
    return Endpoint(
        **{
            "name": "p/m",
            "operation": Operation.CHAT,
            "publisher": "p",
            "created_at_ms": 1,
            "context_tokens": 8192,
            "max_output_tokens": 1024,
            "price": PRICE,
            "targets": targets,
        }
        | changes
    )


def an_ask(*conditions, affinity=b"", provider=None, **changes):
    return RouteAsk(
        **{
            "operation": Operation.CHAT,
            "conditions": conditions,
            "wish": RoutingWish(provider, affinity=affinity),
        }
        | changes
    )


def a_wish(**members):
    return ProviderWish(**members)


def a_router():
    return Router(PROVIDERS)


def order_of(router, endpoint, ask, now=0.0):
    """Return the replicas in the order one call would try them."""
    plan, order = router.plan(endpoint, ask, now), []
    while (choice := plan.next(now)) is not None:
        order.append(choice.target.replica_id)
    return order


def first_of(router, endpoint, ask, now=0.0):
    """Return the replica one call would try first, and why."""
    choice = router.plan(endpoint, ask, now).next(now)
    return choice.target.replica_id, choice.why


def fail(router, target, now, result=AttemptResult.UNREACHABLE, **facts):
    """Send a call to the target that ends at once."""
    router.started(target, now)
    router.ended(target, result, now, started=now, **facts)


def stream(router, target, now, first_token_s, tokens_per_s=0.0):
    """Send a call to the target that streams for a second after its first token."""
    router.started(target, now)
    router.answering(target, now + first_token_s, now)
    router.ended(
        target,
        AttemptResult.OK,
        now + first_token_s + 1,
        started=now,
        output_tokens=int(tokens_per_s),
        output_s=1.0,
    )
