"""The official client of Azure AI Content Safety, over TLS with an authority of our own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clients.tls_platform import STORIES, Story, TlsPlatform

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900), pytest.mark.enable_socket]

CATEGORIES = {"Hate", "SelfHarm", "Sexual", "Violence"}


@pytest.fixture(scope="module")
def story(tls_platform: TlsPlatform, python_of: Callable[[str], Path]) -> Story:
    return tls_platform.tell(
        [python_of("azure-ai-contentsafety"), STORIES / "azure_ai_contentsafety_story.py"]
    )


def test_texts_are_analyzed(story: Story) -> None:
    saw = story["analyze"]
    assert saw["harmful"].keys() == CATEGORIES
    assert saw["harmful"]["Violence"] in (4, 6)
    assert set(saw["benign"].values()) == {0}
    assert saw["fine"].keys() == {"Violence"}
    assert saw["fine"]["Violence"] == 0
    assert saw["matches"] == []


def test_ten_thousand_characters_are_analyzed_at_once(story: Story) -> None:
    assert story["long_text"]["severities"].keys() == CATEGORIES


def test_lists_of_terms_are_kept_and_looked_for(story: Story) -> None:
    saw = story["blocklists"]
    assert saw["descriptions"] == ["First.", "Second."]
    assert saw["shown"] == ["barnacle", "A pest."]
    assert saw["listed"] == ["barnacle", "bilge water"]
    assert saw["match"] == [["harbour-words", True]]
    assert saw["halted"] == []
    assert (saw["missed"], saw["removed"]) == ([], [])
    assert "harbour-words" in saw["names"]
    assert saw["gone"]["status"] == 404


def test_the_key_of_a_client_changes_no_list(story: Story) -> None:
    saw = story["blocklists"]["forbidden"]
    assert (saw["status"], saw["code"]) == (403, "PermissionDenied")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("wrong_key", ("ClientAuthenticationError", 401, "401", "invalid_api_key")),
        ("too_long", ("HttpResponseError", 400, "InvalidRequestBody", "invalid_value")),
        (
            "no_such_list",
            ("ResourceNotFoundError", 404, "ResourceNotFound", "safety_data_not_found"),
        ),
        ("image", ("HttpResponseError", 501, "NotImplemented", "images_not_examined")),
    ],
)
def test_refusals_come_as_the_clients_own_errors(
    story: Story, asked: str, expected: tuple[str, int, str, str]
) -> None:
    saw = story["refusals"][asked]
    assert (saw["type"], saw["status"], saw["code"], saw["inner"]) == expected


def test_a_limit_is_told_as_the_service_tells_it(story: Story) -> None:
    saw = story["patience"]
    assert (saw["status"], saw["code"]) == (429, "TooManyRequests")
