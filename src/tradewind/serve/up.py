"""`tradewind up`: start everything, make one real call, say how to go on, stay up until Ctrl-C."""

import json
import logging
import signal
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from rich.console import Console
from rich.markup import escape

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError, Unavailable
from tradewind.core.ids import event_id_of_request
from tradewind.core.money import Money, format_nanos
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.readmodels.events import cost_of_event
from tradewind.serve.first_call import CallRefused, FirstCall, make_first_call
from tradewind.serve.guard import make_data_folder
from tradewind.serve.platform import Platform
from tradewind.serve.prepare import Prepared
from tradewind.telemetry.logs import log_to_file

_log = logging.getLogger("tradewind.up")

_FIRST_CALL_WAIT_S = 180.0
_PORTAL_WAIT_S = 60.0
_COST_WAIT_S = 20.0
_LABEL_WIDTH = 14
_MODEL = f"{SMOLLM2.publisher}/{SMOLLM2.slug}"


@dataclass(frozen=True, slots=True)
class Answered:
    """What the first call has shown."""

    call: FirstCall
    cost: Money


@dataclass(frozen=True, slots=True)
class Light:
    ready_s: float
    answered: Answered | None
    """None when the call was refused."""
    prepared: Prepared
    base_url: str
    refusal: str = ""

    @property
    def sign_in_url(self) -> str:
        return f"{self.base_url}/sign-in?code={self.prepared.sign_in_code}"

    def as_json(self) -> dict[str, Any]:
        answered = self.answered
        shown = (
            {"refusal": self.refusal}
            if answered is None
            else {
                "ttft_ms": answered.call.ttft_ms,
                "model": answered.call.model,
                "question": answered.call.question,
                "answer": answered.call.answer,
                "usage": answered.call.usage,
                "cost": format_nanos(answered.cost.nanos),
                "currency": answered.cost.currency,
            }
        )
        return {
            "ready_s": round(self.ready_s, 3),
            **shown,
            "base_url": f"{self.base_url}/v1",
            "portal_url": self.base_url,
            "sign_in_url": self.sign_in_url,
            "api_key": self.prepared.first_key,
        }


def up(settings: Settings, *, is_once: bool, is_json: bool, began: float) -> None:
    """Run until a signal, or until the first call was answered with `is_once`.

    `began` is the monotonic time the command was started at. Raises StartupError.
    """
    folder = DataFolder(settings.data.resolve())
    make_data_folder(folder.root)
    try:
        log_to_file(folder.logs / "up.log")
    except OSError as error:
        raise _cannot_start(error, folder) from error
    errors = Console(stderr=True, highlight=False)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _setter(stop))
    with errors.status("Starting Tradewind") as status:

        def report(line: str) -> None:
            errors.print(f"  {escape(line)}", style="dim", soft_wrap=True)

        platform = Platform(settings, report)
        try:
            light = _light(platform, stop, status.update, began)
        except OSError as error:
            # A full disk, a folder of another user: no bug of ours, and the log has the whole.
            _log.exception("the start failed")
            platform.stop()
            raise _cannot_start(error, folder) from error
        except BaseException:
            status.update("Stopping")
            platform.stop()
            raise
    if light is None:
        platform.stop()
        return
    try:
        if is_json:
            print(json.dumps(light.as_json()), flush=True)
        else:
            _show(Console(highlight=False), light)
        if not is_once:
            platform.watch(stop)
    finally:
        with errors.status("Stopping: running calls end, usage is written down"):
            platform.stop()


def _cannot_start(error: OSError, folder: DataFolder) -> StartupError:
    return StartupError(
        f"the platform cannot start: {error}",
        hint=f"check the disk and who owns {folder.root}, see its logs",
    )


def _setter(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    def set_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    return set_stop


def _light(
    platform: Platform, stop: threading.Event, say: Callable[[str], None], began: float
) -> Light | None:
    """Start the platform and make the first call; None when it is asked to stop meanwhile."""
    say("Starting database, gateway, control plane, worker and engine")
    prepared = platform.start()
    _log.info("started after %.2f s", time.monotonic() - began)
    say(f"Waiting for {_MODEL} to answer its first question")

    def go_on() -> bool:
        """Called between two tries: a part that died meanwhile is started again."""
        platform.check()
        return not stop.is_set()

    call, refusal = None, ""
    try:
        call = make_first_call(
            platform.local_host,
            platform.port,
            prepared.start_up_key,
            _MODEL,
            deadline=time.monotonic() + _FIRST_CALL_WAIT_S,
            go_on=go_on,
            certificate=platform.certificate,
        )
        if call is None:
            return None
    except CallRefused as refused:
        # Nothing refuses it but what people decided since: the model is sold, retired, switched
        # off, a budget is spent. That is no reason to keep everything else from starting.
        if prepared.first_key is not None:
            raise
        refusal = refused.message
        _log.warning("%s", refusal)
    _log.info("first call came back after %.2f s", time.monotonic() - began)
    platform.await_portal(time.monotonic() + _PORTAL_WAIT_S)
    _log.info("portal answers after %.2f s", time.monotonic() - began)
    answered = None
    if call is not None:
        assert platform.database is not None
        cost = _recorded_cost(platform.database, call, time.monotonic() + _COST_WAIT_S, go_on)
        if cost is None:
            return None
        answered = Answered(call, cost)
    return Light(time.monotonic() - began, answered, prepared, platform.base_url, refusal)


def _recorded_cost(
    database: Database, call: FirstCall, deadline: float, go_on: Callable[[], bool]
) -> Money | None:
    """Return what the call cost as the books have it: the whole way from journal to database.

    None once `go_on` says no. Raises StartupError at the deadline.
    """
    event_id = event_id_of_request(call.request_id)
    while time.monotonic() < deadline:
        if not go_on():
            return None
        try:
            with database.transaction() as tx:
                cost = cost_of_event(tx, event_id)
        except Unavailable:
            cost = None
        if cost is not None:
            return cost
        time.sleep(0.02)
    raise StartupError(
        "the first call was answered but is not in the books", hint="see logs/worker.log"
    )


def _show(console: Console, light: Light) -> None:
    console.print(f"\n[bold]Tradewind is up[/] after {light.ready_s:.1f} s\n")
    rows = [
        *_rows_of_call(light, console.width),
        ("", ""),
        ("Sign in", f"{light.sign_in_url}  [dim](once, within an hour)[/]"),
        ("Base URL", f"{light.base_url}/v1"),
    ]
    key = light.prepared.first_key
    if key is not None:
        rows.append(("API key", f"{key}  [dim](shown once)[/]"))
    else:
        rows.append(("API key", "[dim]yours still works; new ones are made in the portal[/]"))
    for name, text in rows:
        # Never wrapped: a link or a key that is cut in two cannot be copied.
        console.print(f"[dim]{name:<{_LABEL_WIDTH}}[/]{text}", soft_wrap=True)
    console.print("\n[dim]Try it:[/]")
    # Printed raw: rich would wrap the line, and a wrapped line cannot be pasted.
    print(_curl_line(light, key or "$TRADEWIND_API_KEY"))
    console.print("\n[dim]Ctrl-C stops it.[/]")


def _rows_of_call(light: Light, width: int) -> list[tuple[str, str]]:
    if light.answered is None:
        return [("No answer", escape(_folded(light.refusal, width)))]
    call, usage = light.answered.call, light.answered.call.usage
    return [
        ("Question", escape(call.question)),
        ("Answer", escape(_folded(call.answer, width))),
        ("Tokens", f"{usage.get('prompt_tokens')} in, {usage.get('completion_tokens')} out"),
        ("Price", str(light.answered.cost)),
        ("First token", f"after {call.ttft_ms:.0f} ms, by {escape(call.model)}"),
    ]


def _folded(answer: str, width: int) -> str:
    lines = textwrap.wrap(answer, max(20, width - _LABEL_WIDTH))
    return ("\n" + " " * _LABEL_WIDTH).join(lines)


def _curl_line(light: Light, key: str) -> str:
    # Without a limit, a very small model may go on for minutes, and curl shows nothing until then.
    body = json.dumps(
        {
            "model": _MODEL,
            "messages": [{"role": "user", "content": "Say hello."}],
            "max_tokens": 64,
        }
    )
    return (
        f'curl {light.base_url}/v1/chat/completions -H "Authorization: Bearer {key}" '
        f"-H 'Content-Type: application/json' -d '{body}'"
    )
