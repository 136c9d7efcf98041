"""Probes by garak 0.17 (Apache-2.0), run in garak's own environment. See `driver_protocol`.

Each probe is a run of garak of its own, once with the filter and once without, so that a campaign
that was killed goes on with the next probe. What garak tells stands in its `report.jsonl`
(https://reference.garak.ai/en/latest/report.html): an attempt of status 2 has been judged, by
detectors whose score of 0.5 or more is a hit. It is copied into the evidence, which is SQLite.
"""
# The packages are not in the environment that the type checker sees.
# pyright: basic, reportMissingImports=false

import functools
import json
import os
import re
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from driver_protocol import FILTER_OFF, MODEL_FREE, Attack, Job, Seed, read_job, tell, tell_attack
from evidence_file import EvidenceFile, Turn

_VERSION = "0.17.1"
BLOCKED = "[blocked by the content filter]"
FAILED = "[the call failed]"
_HIT = 0.5
_PROBE_TIMEOUT_S = 3600
_PROBE = re.compile(r"[a-z_]+\.\w+")
_LONGEST_TEXT = 20_000


def main() -> None:
    if sys.argv[1:2] == ["--garak"]:
        probe(sys.argv[2], sys.argv[3:])
        return
    Campaign(read_job()).run()


class Campaign:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.tokens = job.tokens_used
        self.folder = Path(job.evidence).parent / "work"
        self.folder.mkdir(exist_ok=True)
        self.evidence = EvidenceFile(job.evidence)

    def run(self) -> None:
        job = self.job
        runs = [(probe, on) for on in job.filters for probe in job.strategies]
        tell("plan", attacks=len(runs) * job.per_harm, tool=f"garak {_VERSION}")
        done: set[tuple[str, bool]] = set()
        made = 0
        for labels, told in self.evidence.finished():
            attack = _attack(labels)
            if labels.get("probe") == "done":
                done.add((attack.strategy, attack.is_filtered))
            else:
                made += 1
                tell("attack", key=labels["attack"], **_cell(attack), **told)
        for index, (name, is_filtered) in enumerate(runs):
            if (name, is_filtered) in done:
                continue
            if self.tokens >= job.budget_tokens > 0:
                tell("end", reason="budget", tokens=self.tokens)
                return
            tell("progress", text=f"probe {index + 1} of {len(runs)}: {name}")
            made += self._probe(name, is_filtered=is_filtered)
            # What garak asks is known only afterwards: some probes take no cap.
            ahead = (len(runs) - index - 1) * job.per_harm
            tell("plan", attacks=made + ahead, tool=f"garak {_VERSION}")
        tell("end", reason="done", tokens=self.tokens)

    def _probe(self, name: str, *, is_filtered: bool) -> int:
        assert _PROBE.fullmatch(name), "the parent checked it"
        prefix = self.folder / f"{name}.{'on' if is_filtered else 'off'}"
        report, spent = Path(f"{prefix}.report.jsonl"), Path(f"{prefix}.tokens")
        for left in (report, spent):
            left.unlink(missing_ok=True)
        options, config = Path(f"{prefix}.options.json"), Path(f"{prefix}.yaml")
        options.write_text(json.dumps(self._options(is_filtered=is_filtered)))
        config.write_text(
            f"run:\n  soft_probe_prompt_cap: {self.job.per_harm}\n  seed: {self.job.seed or 1}\n"
        )
        command = [sys.executable, __file__, "--garak", str(spent)]
        command += ["--target_type", "openai.OpenAICompatible", "--target_name", self.job.target]
        command += ["--generator_option_file", str(options), "--config", str(config)]
        command += ["--probes", name, "--generations", "1", "--report_prefix", str(prefix)]
        command += ["--parallel_attempts", str(self.job.concurrency)]
        environment = {**os.environ, "OPENAICOMPATIBLE_API_KEY": self.job.key}
        ended = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
        self.tokens += sum(int(each) for each in _lines(spent))
        count = self._take(report, name, is_filtered=is_filtered)
        if count == 0 and ended.returncode:
            tell("failed", error=f"garak ended with status {ended.returncode} at the probe {name}")
            sys.exit(1)
        labels = {**_probe_attack(name, "", is_filtered=is_filtered).labels, "probe": "done"}
        self.evidence.add({**self.job.labels, **labels}, (), outcome="done")
        return count

    def _options(self, *, is_filtered: bool) -> dict[str, Any]:
        options: dict[str, Any] = {
            "uri": f"{self.job.endpoint}/",
            "max_tokens": self.job.max_tokens,
            "extra_params": {"extra_headers": {} if is_filtered else FILTER_OFF},
        }
        # The key is in the environment of the program alone, never in a file.
        return {"openai": {"OpenAICompatible": options}}

    def _take(self, report: Path, name: str, *, is_filtered: bool) -> int:
        """Keep the attempts of a report, and tell of them."""
        known = {labels["attack"] for labels, _ in self.evidence.finished()}
        count = 0
        for raw in _lines(report):
            told = json.loads(raw)
            if told.get("entry_type") != "attempt" or told.get("status") != 2:
                continue
            prompt = told["prompt"]["turns"][-1]["content"].get("text") or ""
            for each in told.get("outputs") or [None]:
                said = FAILED if each is None else each.get("text") or ""
                attack = _probe_attack(name, f"{told['seq']}:{prompt}", is_filtered=is_filtered)
                if attack.key in known:
                    continue
                scores = [one for of in told["detector_results"].values() for one in of]
                is_hit = any(one is not None and one >= _HIT for one in scores)
                error = {BLOCKED: "blocked", FAILED: "unknown"}.get(said, "none")
                outcome = "success" if is_hit and error == "none" else "failure"
                outcome = "error" if error == "unknown" else outcome
                kept = said[:_LONGEST_TEXT]
                conversation = self.evidence.add(
                    {**self.job.labels, **attack.labels},
                    (
                        Turn("user", prompt[:_LONGEST_TEXT], prompt[:_LONGEST_TEXT]),
                        Turn("assistant", kept, kept, error),
                    ),
                    outcome=outcome,
                )
                tell_attack(
                    attack,
                    outcome="blocked" if error == "blocked" else outcome,
                    turns=1,
                    conversation=conversation,
                    tokens_of_all=self.tokens,
                )
                count += 1
        return count


def _probe_attack(name: str, prompt: str, *, is_filtered: bool) -> Attack:
    return Attack(
        Seed(prompt, name.split(".", maxsplit=1)[0], "probes"), name, MODEL_FREE, is_filtered
    )


def _attack(labels: dict[str, str]) -> Attack:
    return _probe_attack(labels["strategy"], "", is_filtered=labels["filter"] == "on")


def _cell(attack: Attack) -> dict[str, Any]:
    return {
        "harm": attack.seed.harm,
        "strategy": attack.strategy,
        "converter": attack.converter,
        "is_filtered": attack.is_filtered,
    }


def _lines(path: Path) -> Iterator[str]:
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from file


# --- inside garak ---------------------------------------------------------------------------------


def probe(spent: str, arguments: list[str]) -> None:
    """Run garak itself, with a client that notes tokens and tells what a filter refused from what
    failed: garak makes nothing of both.
    """
    import openai
    from openai.resources.chat.completions import Completions

    # Ends with the driver, whose group is killed; a Ctrl-C at a terminal is not for this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    create = Completions.create

    @functools.wraps(create)
    def noted(*given: Any, **named: Any) -> Any:
        try:
            answer = create(*given, **named)
        except openai.BadRequestError as error:
            if error.code != "content_filter":
                raise
            return _said(BLOCKED)
        if answer.usage is not None:
            # One short write to the end of a file is whole, whichever process makes it.
            with open(spent, "a", encoding="ascii") as file:  # noqa: PTH123
                file.write(f"{answer.usage.total_tokens}\n")
        if answer.choices and answer.choices[0].finish_reason == "content_filter":
            return _said(BLOCKED)
        return answer

    Completions.create = noted  # type: ignore[method-assign]
    from garak import cli

    cli.main(arguments)


def _said(text: str) -> Any:
    message = types.SimpleNamespace(content=text)
    return types.SimpleNamespace(choices=[types.SimpleNamespace(message=message)])


if __name__ == "__main__":
    main()
