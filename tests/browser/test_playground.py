"""The playground against a gateway that streams: what people see, and what is sent."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tradewind.core import api_keys
from tradewind.core.money import format_nanos, rate_nanos
from tradewind.testing.portal_browser import Playground
from tradewind.testing.portal_world import CHAT_MODEL

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def playground(tab) -> Playground:
    return Playground(tab.open("/playground"))


def test_an_answer_is_painted_as_it_comes_and_measured_at_the_end(playground, portal):
    playground.ask("What is a trade wind?")
    playground.wait_until_idle()

    answer = playground.answer
    expect(answer.locator("strong")).to_have_text("trade wind")
    expect(answer.locator("ol > li")).to_have_count(3)
    expect(answer.locator("tbody tr")).to_have_count(2)
    expect(answer.locator("pre code")).to_contain_text('    return "north-east"')
    (request,) = portal.gateway.requests
    assert request["stream"] is True
    assert request["stream_options"] == {"include_usage": True}
    cost = rate_nanos(
        (41 - 8, CHAT_MODEL.input_nanos),
        (8, CHAT_MODEL.cached_input_nanos),
        (_tokens_out(playground), CHAT_MODEL.output_nanos),
    )
    meter = playground.meter.inner_text()
    assert f"Cost ${format_nanos(cost)}" in meter
    assert "In 41" in meter
    assert re.search(r"TTFT \d+ ms", meter)
    assert re.search(r"Speed \d+ tok/s", meter)
    assert re.search(r"Time \d+\.\d s", meter)


def _tokens_out(playground: Playground) -> int:
    match = re.search(r"Out (\d+)", playground.meter.inner_text())
    assert match is not None
    return int(match[1])


def test_what_a_model_says_never_becomes_a_part_of_the_page(playground):
    playground.ask("What is a trade wind?")
    playground.wait_until_idle()

    expect(playground.answer).to_contain_text('<script>document.title = "broken"</script>')
    assert playground.answer.locator("script").count() == 0
    assert playground.page.title() == "Playground · Tradewind"


def test_stop_keeps_the_text_and_ends_the_call(playground, portal):
    playground.ask("go on forever")
    playground.wait_for_text("again and again")
    playground.stop()
    playground.wait_until_idle()

    assert portal.gateway.left.wait(60), "the gateway has seen the client leave"
    expect(playground.page.locator(".message-answer")).to_contain_text("Stopped.")
    text = playground.answer.inner_text()
    assert "again and again" in text
    assert "about" in playground.meter.inner_text(), "without the usage it is an estimate"

    playground.ask("And now?")
    playground.wait_until_idle()
    roles = [message["role"] for message in portal.gateway.requests[-1]["messages"]]
    assert roles == ["user", "assistant", "user"]


def test_a_key_that_the_gateway_does_not_know_yet_is_tried_again(playground, portal):
    portal.gateway.refuse_next(3)

    playground.ask("Hello")
    playground.wait_for_text("for centuries")

    assert len(portal.gateway.keys) == 4
    assert len(set(portal.gateway.keys)) == 1, "one key was minted"
    assert api_keys.is_well_formed(portal.gateway.keys[0])


def test_a_failure_says_what_to_do_and_retry_sends_the_same_again(playground, portal):
    playground.ask("please fail")
    notice = playground.page.locator(".message .notice-bad")
    expect(notice).to_contain_text("No replica of this model is ready.")
    expect(notice).to_contain_text("retry in a few seconds")
    expect(notice).to_contain_text("req_fake")

    playground.page.get_by_role("button", name="Retry").click()
    playground.wait_until_idle()

    assert [body["messages"] for body in portal.gateway.requests] == [
        [{"role": "user", "content": "please fail"}]
    ] * 2
    expect(playground.page.locator(".message-answer")).to_have_count(1)


def test_whoever_is_signed_out_meanwhile_is_told_so(playground):
    playground.page.context.clear_cookies()

    playground.ask("Hello")

    expect(playground.page.locator(".notice-bad")).to_contain_text("You are signed out.")


def test_the_parameters_are_sent_and_the_keyboard_is_enough(playground, portal):
    page = playground.page
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Temperature").fill("0.2")
    page.get_by_label("Top P").fill("0.9")
    page.get_by_label("Max output tokens").fill("64")
    page.get_by_label("Seed").fill("7")
    page.get_by_label("Message").fill("Hello")
    page.keyboard.press("Control+Enter")
    playground.wait_for_text("for centuries")
    playground.wait_until_idle()

    (request,) = portal.gateway.requests
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    assert (request["temperature"], request["top_p"]) == (0.2, 0.9)
    assert (request["max_tokens"], request["seed"]) == (64, 7)
    assert request["model"] == CHAT_MODEL.name


def test_clear_forgets_the_conversation(playground, portal):
    playground.ask("Hello")
    playground.wait_until_idle()
    playground.page.get_by_role("button", name="Clear").click()

    expect(playground.page.locator(".message")).to_have_count(0)
    expect(playground.page.get_by_role("heading", name="Ask something")).to_be_visible()
    playground.ask("Again")
    playground.wait_until_idle()
    assert len(portal.gateway.requests[-1]["messages"]) == 1


HARD = 'It\'s "quoted", $HOME, `date`, \\n, {braces}, é, 🌬 and\na second line'


@pytest.mark.parametrize("language", ["curl", "Python", "JS"])
def test_the_code_of_a_conversation_runs_and_sends_just_that(
    playground, portal, tmp_path: Path, language: str
):
    playground.page.get_by_label("System prompt").fill(HARD)
    playground.ask(HARD)
    playground.wait_for_text("for centuries")
    playground.wait_until_idle()
    code = playground.code(language)
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    if language == "JS" and node is None:
        pytest.skip("there is no node to run it")
    commands = {
        "curl": ["bash", "-c", code],
        "Python": [sys.executable, "-c", code],
        "JS": [str(node), "--input-type=module", "-e", code],
    }

    done = subprocess.run(
        commands[language],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "TRADEWIND_API_KEY": "my-key", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "trade wind" in done.stdout
    streamed, ran = portal.gateway.requests
    assert portal.gateway.keys[-1] == "my-key"
    assert ran == {name: value for name, value in streamed.items() if not name.startswith("stream")}
    assert ran["messages"][-1]["content"] == HARD


def test_an_idea_is_sent_with_one_press(playground, portal):
    playground.page.get_by_role("button", name="List three uses").click()
    playground.wait_for_text("for centuries")

    assert portal.gateway.requests[0]["messages"][0]["content"].startswith("List three uses")
