"""What a client may call a model, and what it is told of names that are not there."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.names import endpoint_of, find_endpoint, may_call
from tradewind.snapshot.contents import Endpoint, Grant, Operation, Price, Snapshot
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.errors import ApiError

PRICE = Price("x", "USD", 1, 2, 3)
ANY = Grant("k", b"", "org_a", "proj_a")


def an_endpoint(name, operation=Operation.CHAT, aliases=(), organization_id=""):
    return Endpoint(
        name,
        operation,
        "p",
        1,
        512,
        512,
        PRICE,
        (),
        aliases=aliases,
        organization_id=organization_id,
    )


CHAT = an_endpoint("p/chat", aliases=("chat", "chat@2026-01", "P/Chat-Latest"))
EMBED = an_endpoint("p/embed", Operation.EMBEDDINGS)
PINNED = an_endpoint("p/pinned@2026-01-31")
COLON = an_endpoint("p/odd:nitro")
OURS = an_endpoint("org-a/tuned", organization_id="org_a")
THEIRS = an_endpoint("org-b/tuned", organization_id="org_b")
LLAMA = an_endpoint("meta/Llama-3-8B-Instruct", aliases=("Llama-3",))
VIEW = SnapshotView(Snapshot(1, 1, (), (CHAT, EMBED, PINNED, COLON, OURS, THEIRS, LLAMA)))


def named(name, grant=ANY, view=VIEW):
    return find_endpoint(view, grant, name)


def refusal(name, grant=ANY, view=VIEW):
    with pytest.raises(ApiError) as caught:
        find_endpoint(view, grant, name)
    return caught.value


def only(*names):
    return Grant("k", b"", "org_a", "proj_a", models=frozenset(names))


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("p/chat", CHAT),
        ("chat", CHAT),
        ("chat@2026-01", CHAT),
        ("p/pinned@2026-01-31", PINNED),
        ("org-a/tuned", OURS),
    ],
)
def test_a_model_is_found_by_name_alias_and_version(name, endpoint):
    assert named(name) == (endpoint, None)


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("P/CHAT", CHAT),
        ("Chat", CHAT),
        ("p/chat-latest", CHAT),
        ("P/Pinned@2026-01-31", PINNED),
        ("meta/llama-3-8b-instruct", LLAMA),
        ("META/LLAMA-3-8B-INSTRUCT", LLAMA),
        ("llama-3", LLAMA),
    ],
)
def test_case_is_no_matter_when_the_exact_name_is_not_there(name, endpoint):
    assert named(name).endpoint is endpoint


def test_a_name_that_differs_in_case_only_is_not_taken_over():
    lower, upper = an_endpoint("p/model"), an_endpoint("p/MODEL", aliases=("Alias",))
    later = an_endpoint("q/alias-owner", aliases=("alias", "ALIAS"))
    view = SnapshotView(Snapshot(1, 1, (), (upper, lower, later)))
    assert named("p/model", view=view).endpoint is lower
    assert named("p/MODEL", view=view).endpoint is upper
    assert named("p/Model", view=view).endpoint is lower
    assert named("alias", view=view).endpoint is later
    assert named("Alias", view=view).endpoint is upper
    assert named("aLIAS", view=view).endpoint is later


def test_an_alias_that_is_anothers_name_does_not_lead_away_from_it_in_any_case():
    taker, owner = an_endpoint("p/taker", aliases=("Q/Model",)), an_endpoint("Q/Model")
    view = SnapshotView(Snapshot(1, 1, (), (taker, owner)))
    assert named("Q/Model", view=view).endpoint is owner
    assert named("q/model", view=view).endpoint is owner


@pytest.mark.parametrize(
    ("policy", "sort"),
    [
        ("nitro", "throughput"),
        ("fastest", "throughput"),
        ("floor", "price"),
        ("cheapest", "price"),
        ("quick", "latency"),
        ("own", "own"),
        ("NITRO", "throughput"),
    ],
)
def test_a_policy_behind_the_name_sorts_its_targets(policy, sort):
    assert named(f"p/chat:{policy}") == (CHAT, sort)
    assert named(f"P/Pinned@2026-01-31:{policy}") == (PINNED, sort)


def test_a_name_with_a_colon_is_a_name_first():
    assert named("p/odd:nitro") == (COLON, None)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "p/none",
        "p/chat ",
        "x" * 512,
        "p/chat:free",
        "p/chat@2025",
        "p/chat:nitro:nitro",
        ":own",
    ],
)
def test_what_is_not_there_is_404(name):
    error = refusal(name)
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert len(error.message) < 600


def test_a_version_that_is_not_there_is_not_guessed_but_suggested():
    assert "'p/pinned@2026-01-31'" in refusal("p/pinned@2026-02-28").message


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("p/caht", "p/chat"),
        ("p/embedd", "p/embed"),
        ("llama-3-8b-instruct", "meta/Llama-3-8B-Instruct"),
        ("meta-llama/llama-3-8b-instruct", "meta/Llama-3-8B-Instruct"),
        ("meta/llama-3-8b-instruct-v2", "meta/Llama-3-8B-Instruct"),
        ("meta/lama-3-8b-instruct", "meta/Llama-3-8B-Instruct"),
        ("p/cat:nitro", "p/chat"),
    ],
)
def test_the_nearest_names_are_told(wrong, right):
    message = refusal(wrong).message
    assert f"'{right}'" in message
    assert message.count("'") <= 8


def test_nothing_is_suggested_that_is_not_near():
    assert "nearest" not in refusal("qqqqqq/zzzzzzzzz").message


def test_another_organizations_endpoint_is_neither_there_nor_suggested():
    error = refusal("org-b/tuned")
    assert (error.status, error.code) == (404, "model_not_found")
    assert "'org-b/tuned'" not in error.message.partition("nearest")[2]
    assert "'org-a/tuned'" in error.message
    stranger = Grant("k", b"", "org_c", "proj_c")
    assert "tuned" not in refusal("org-x/tuned", stranger).message.partition("nearest")[2]


def test_a_model_the_key_is_not_for_is_403_and_says_what_it_is_for():
    for name in ("p/chat", "chat", "CHAT", "p/chat:nitro", "org-a/tuned"):
        error = refusal(name, only("p/embed"))
        assert (error.status, error.code, error.param) == (403, "model_not_allowed", "model")
        assert "It may use 'p/embed'." in error.message
    assert named("p/embed", only("p/embed")).endpoint is EMBED


def test_another_organizations_endpoint_is_404_even_if_the_key_lists_it():
    assert refusal("org-b/tuned", only("org-b/tuned")).status == 404
    assert not may_call(only("org-b/tuned"), THEIRS)


def test_another_projects_endpoint_is_404_within_the_same_organization():
    ours = msgspec.structs.replace(OURS, project_id="proj_a")
    theirs = msgspec.structs.replace(OURS, name="org-a/other", project_id="proj_b")
    view = SnapshotView(Snapshot(1, 1, (), (ours, theirs)))
    grant = Grant("k", b"", "org_a", "proj_a")
    assert named("org-a/tuned", grant, view).endpoint is ours
    assert refusal("org-a/other", grant, view).status == 404
    assert (may_call(grant, ours), may_call(grant, theirs)) == (True, False)
    stranger = Grant("k", b"", "org_b", "proj_a")
    assert refusal("org-a/tuned", stranger, view).status == 404, "a project is of its organization"


def test_a_key_for_few_models_gets_suggestions_of_those_alone():
    message = refusal("p/chatt", only("p/embed", "p/pinned@2026-01-31")).message
    assert "'p/chat'" not in message
    assert "'p/embed'" in message


def test_a_key_for_no_model_may_use_none():
    assert refusal("p/chat", only()).status == 403
    assert "It may use none." in refusal("p/none", only()).message


def test_a_key_for_many_models_is_told_some():
    message = refusal("zzz", only(*(f"p/model-{number}" for number in range(40)))).message
    assert "and 35 more" in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("name", "operation", "route"),
    [
        ("p/chat", Operation.EMBEDDINGS, "/v1/chat/completions"),
        ("p/embed", Operation.CHAT, "/v1/embeddings"),
    ],
)
def test_the_wrong_route_names_the_right_one(name, operation, route):
    with pytest.raises(ApiError) as caught:
        endpoint_of(VIEW, ANY, name, operation)
    assert (caught.value.status, caught.value.code) == (400, "unsupported_operation")
    assert route in caught.value.message
    assert endpoint_of(VIEW, ANY, "p/chat", Operation.COMPLETIONS).endpoint is CHAT


@given(st.text(max_size=100), st.booleans())
def test_any_text_is_a_model_or_a_refusal(name, is_limited):
    grant = only("p/chat") if is_limited else ANY
    try:
        endpoint = named(name, grant).endpoint
    except ApiError as error:
        assert error.status in (403, 404)
    else:
        assert may_call(grant, endpoint)


class CountingView(SnapshotView):
    """Counts what is looked up: each may have to be decoded."""

    looked_up = 0

    def endpoint(self, name):
        self.looked_up += 1
        return super().endpoint(name)


def test_a_wrong_name_looks_few_models_up_among_ten_thousand():
    names = [f"publisher-{number % 97}/model-{number}-instruct" for number in range(10_000)]
    view = CountingView(Snapshot(1, 1, (), tuple(map(an_endpoint, names))))
    for number in range(20):
        view.looked_up = 0
        assert "nearest" in refusal(f"publisher-3/model-{number}-instrukt", view=view).message
        assert view.looked_up <= 5
