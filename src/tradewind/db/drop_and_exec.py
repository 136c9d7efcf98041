"""Becomes another user where asked, binds its life to its parent's, and executes a program.

A program of its own (`python -I -S drop_and_exec.py PLAN`), run between us and PostgreSQL: what
it does must happen in the child after the fork, and Python code after a fork in a process with
threads can hang. It takes about 20 ms, imports the standard library only, and replaces itself.

PLAN is JSON: `argv`; `parent_pid`; `status_fd`; `account` (null, or `uid`, `gid`, `name`); and
`folders`, which the program must be able to reach. On `status_fd` it writes lines of JSON,
`{"capability": …}` and `{"error": …}`; the end of that stream without an error means that the
program was executed.

The user may be unable to pass the folders above `folders` or `argv[0]` (a data folder or a
virtual environment below /root, for example). Opening them would change folders that are not
ours. The program then keeps one capability of root's, the least that works, proved by a try.
"""

import ctypes
import json
import os
import signal
import sys
from typing import Any, NamedTuple

_CAPABILITIES = {"CAP_DAC_READ_SEARCH": 2, "CAP_DAC_OVERRIDE": 1}  # linux/capability.h

_PR_SET_PDEATHSIG = 1  # linux/prctl.h, here and below
_PR_SET_KEEPCAPS = 8
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522


class _Account(NamedTuple):
    uid: int
    gid: int
    name: str


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def main() -> None:
    plan: dict[str, Any] = json.loads(sys.argv[1])
    status_fd: int = plan["status_fd"]
    os.set_inheritable(status_fd, False)
    try:
        _run(plan, status_fd)
    except OSError as error:
        _tell(status_fd, {"error": f"{plan['argv'][0]}: {error.strerror or error}"})
        sys.exit(1)


def _run(plan: dict[str, Any], status_fd: int) -> None:
    argv: list[str] = plan["argv"]
    capability: str | None = None
    if plan["account"] is not None:
        account = _Account(**plan["account"])
        candidates: list[str | None] = [None, *_CAPABILITIES]
        first_failure = ""
        for capability in candidates:
            failure = _failure_of_a_try(account, capability, argv[0], plan["folders"])
            if failure is None:
                break
            first_failure = first_failure or failure
        else:
            _tell(status_fd, {"error": f"user '{account.name}' cannot use {first_failure}"})
            sys.exit(1)
        _become(account, capability)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # SIGINT is PostgreSQL's fast shutdown. A change of user clears this setting, so it comes last.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != plan["parent_pid"]:
        sys.exit(1)  # The parent died before the line above; nobody is left to tell.
    _tell(status_fd, {"capability": capability})
    os.execv(argv[0], argv)  # noqa: S606 - that is this program's purpose


def _failure_of_a_try(
    account: _Account, capability: str | None, program: str, folders: list[str]
) -> str | None:
    """Return None when the account reaches everything, else the first thing it does not."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        thing = program
        try:
            _become(account, capability)
            for thing in folders:
                os.close(os.open(thing, os.O_RDONLY | os.O_DIRECTORY))
            thing = program
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            # Only running it shows that its libraries are within reach too.
            os.execv(program, [program, "-V"])  # noqa: S606
        except OSError as error:
            os.write(writer, f"'{thing}' ({error.strerror})".encode())
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        failure = stream.read().decode()
    _, status = os.waitpid(pid, 0)
    if not failure and status:
        return f"'{program}' (it does not run)"
    return failure or None


def _become(account: _Account, capability: str | None) -> None:
    if capability is not None:
        _prctl(_PR_SET_KEEPCAPS, 1)
    os.initgroups(account.name, account.gid)
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    if capability is not None:
        number = _CAPABILITIES[capability]
        _keep_only(1 << number)
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number)


def _keep_only(mask: int) -> None:
    header = _CapHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapData * 2)(_CapData(mask, mask, mask), _CapData(0, 0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(ctypes.byref(header), data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _prctl(option: int, first: int, second: int = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = [ctypes.c_ulong(value) for value in (first, second, 0, 0)]
    if libc.prctl(option, *arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _tell(status_fd: int, status: dict[str, Any]) -> None:
    os.write(status_fd, json.dumps(status).encode() + b"\n")


if __name__ == "__main__":
    main()
