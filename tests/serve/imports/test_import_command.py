"""`tradewind import` as a shell sees it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tradewind.serve.prepare import prepare
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.serve.services import build_services

PATIENCE_S = 60
KEY = "sk-0123456789-abcdef"
COMPLETE = f"""
model_list:
  - {{model_name: chat, litellm_params: {{model: openai/gpt-4o-mini, api_key: {KEY}}}}}
"""
PARTIAL = """
model_list:
  - {model_name: chat, litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/MY_KEY}}
  - {model_name: "\\e[31mred", litellm_params: {model: vertex_ai/gemini-2.5-pro}}
  - {model_name: "other [bold]", litellm_params: {model: gpt-4o, api_key: os.environ/NOT_SET}}
general_settings: {master_key: sk-1234-master}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run the command beside a platform's data folder."""
    for name in ("DATABASE_URL", "TRADEWIND_DATABASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tradewind.cli", "import", *arguments],
            cwd=tmp_path,
            env={
                **os.environ,
                "HOME": str(tmp_path),
                "TRADEWIND_DATA": str(tmp_path / "data"),
                "NO_COLOR": "1",
                "COLUMNS": "200",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run_command


@pytest.fixture
def platform(tmp_path: Path, database, database_url: str):
    """A platform with a data folder and a database; returns what leads to it."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "lock").touch()
    secrets = data / "secrets"
    services = build_services(
        load_or_create_pepper(secrets), load_or_create_key_encryption(secrets)
    )
    prepare(database, services, currency="USD")
    return {"TRADEWIND_DATABASE_URL": database_url}


@pytest.fixture
def config(tmp_path: Path):
    def write(text: str) -> str:
        (tmp_path / "config.yaml").write_text(text)
        return "config.yaml"

    return write


@pytest.mark.postgres
def test_a_file_that_is_taken_whole_ends_with_status_0_and_again_changes_nothing(
    run, config, platform
):
    ended = run("litellm", config(COMPLETE), **platform)
    assert (ended.returncode, ended.stderr) == (0, "")
    for told in ("openai/chat", "gpt-4o-mini at OpenAI", "0.15 / 0.6", "from the file", "made"):
        assert told in ended.stdout
    assert "1 connections and 1 models were made or added to." in ended.stdout
    ended = run("litellm", config(COMPLETE), **platform)
    assert ended.returncode == 0
    assert "Nothing was to be changed" in ended.stdout


@pytest.mark.postgres
def test_what_is_left_out_makes_status_3_and_names_the_way_out(run, config, platform):
    ended = run("litellm", config(PARTIAL), MY_KEY=KEY, **platform)
    assert (ended.returncode, ended.stderr) == (3, "")
    for told in (
        "openai/chat",
        "from the environment variable MY_KEY",
        "Left out",
        "the environment variable NOT_SET is not set",
        "set it and import again",
        "keys of LiteLLM do not work here",
        "other [bold]",
    ):
        assert told in ended.stdout
    # What a file says does not steer the terminal it is shown in.
    assert "\x1b" not in ended.stdout
    assert "\\x1b[31mred" in ended.stdout


@pytest.mark.postgres
def test_json_says_the_same_and_a_dry_run_changes_nothing(run, config, platform):
    reports = []
    for options in (["--dry-run"], ["--dry-run"], []):
        ended = run("litellm", config(PARTIAL), "--json", *options, MY_KEY=KEY, **platform)
        assert ended.returncode == 3
        reports.append(json.loads(ended.stdout))
    dry, again, real = reports
    assert dry == again
    assert dry | {"dry_run": False, "changed": True} == real
    assert real["source"] == "LiteLLM"
    [connection] = real["connections"]
    assert connection["credential_from"] == "the environment variable MY_KEY"
    [endpoint] = real["endpoints"]
    assert (endpoint["name"], endpoint["aliases"]) == ("openai/chat", ["chat"])
    assert (endpoint["price"]["input"], endpoint["price"]["output"]) == ("0.15", "0.6")
    assert {"places", "total", "why", "instead"} == real["left_out"][0].keys()


@pytest.mark.postgres
@pytest.mark.parametrize("form", ["table", "--json"])
def test_no_key_is_ever_printed(run, config, platform, form):
    options = [] if form == "table" else [form]
    text = COMPLETE + f"general_settings: {{master_key: {KEY}}}\nlitellm_settings: {{{KEY}: 1}}\n"
    text = text.replace("litellm_settings", "zebra")
    for more in ([], ["--replace-keys"]):
        ended = run("litellm", config(text), *options, *more, **platform)
        assert ended.returncode == 3
        assert KEY not in ended.stdout + ended.stderr
    channel = {"name": "Main", "type": 1, "key": f"{KEY}\n{KEY}-2", "models": "gpt-4o"}
    ended = run("one-api", config(json.dumps([channel])), *options, **platform)
    assert ended.returncode == 0
    assert KEY not in ended.stdout + ended.stderr


@pytest.mark.postgres
def test_channels_take_keys_from_the_environment_and_prices_from_ratios(
    run, config, platform, tmp_path: Path
):
    channel = {"id": 1, "name": "Main", "type": 1, "key": "", "models": "gpt-4o"}
    file = config(json.dumps({"data": {"items": [channel]}}))
    ratios = tmp_path / "ratios.json"
    ratios.write_text('{"ModelRatio": {"gpt-4o": 2.5}, "CompletionRatio": {"gpt-4o": 3}}')
    ended = run("new-api", file, **platform)
    assert ended.returncode == 3
    assert "give --key 'Main=NAME'" in ended.stdout
    ended = run(
        "new-api", file, "--key", "Main=MAIN_KEY", "--ratios", "ratios.json", "--json",
        MAIN_KEY=KEY, **platform,
    )  # fmt: skip
    assert ended.returncode == 0
    [endpoint] = json.loads(ended.stdout)["endpoints"]
    assert (endpoint["price"]["input"], endpoint["price"]["output"]) == ("5", "15")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["litellm", "missing.yaml"], "missing.yaml cannot be read: No such file or directory"),
        (["litellm", "."], ". cannot be read: Is a directory"),
        (["litellm", "secret.yaml"], "line 1, column"),
        (["one-api", "secret.yaml"], "line 1, column 1 is not JSON"),
        (["litellm", "config.yaml", "--default-price", "much"], "--default-price 'much' is not an"),
        (["litellm", "config.yaml", "--default-price=-1"], "--default-price is negative"),
        (["new-api", "config.yaml", "--key", KEY], "--key is not of the form CHANNEL=VARIABLE"),
        (["litellm", "config.yaml"], "{data} is no data folder of Tradewind (see --data)"),
        (["litellm", "latin.yaml"], "latin.yaml is not text in UTF-8"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, config, tmp_path: Path, arguments, line):
    config(COMPLETE)
    (tmp_path / "secret.yaml").write_text(f"key: !{KEY} x: y")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe4 " + KEY.encode())
    ended = run(*arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"tradewind: {line.format(data=tmp_path / 'data')}")
    assert ended.stderr.count("\n") == 1
    assert KEY not in ended.stderr


def test_a_file_that_is_too_large_is_not_read(run, tmp_path: Path):
    with (tmp_path / "large.yaml").open("wb") as large:
        large.truncate(9 * 1024 * 1024)
    ended = run("litellm", "large.yaml")
    assert (ended.returncode, ended.stderr) == (1, "tradewind: large.yaml is larger than 8 MiB\n")


def test_help_names_the_files_that_can_be_imported(run):
    ended = run("--help")
    assert ended.returncode == 0
    for told in ("litellm", "one-api", "new-api", "status 3"):
        assert told in ended.stdout
    for verb in ("litellm", "one-api"):
        ended = run(verb, "--help")
        for option in ("--dry-run", "--json", "--replace-keys", "--default-price", "--data"):
            assert option in ended.stdout
