"""One platform for all official clients, and the environments they run in."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from scripts import client_environments
from scripts.client_environments import InstallError, NodeClient, RegistryUnreachable
from tests.e2e.clients.tls_platform import TlsPlatform, running_tls_platform

T = TypeVar("T")


@pytest.fixture(scope="session")
def tls_platform() -> Iterator[TlsPlatform]:
    root = Path(tempfile.mkdtemp(prefix="tradewind-clients-"))
    with running_tls_platform(root) as platform:
        yield platform
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def python_of(pytestconfig: pytest.Config) -> Callable[[str], Path]:
    """Return the interpreter of a client, made at its first use."""
    return lambda client: _installed(client_environments.python_for, client, pytestconfig)


@pytest.fixture(scope="session")
def node_of(pytestconfig: pytest.Config) -> Callable[[str], NodeClient]:
    """As `python_of`, for a client from npm."""
    return lambda client: _installed(client_environments.node_for, client, pytestconfig)


def _installed(install: Callable[[str], T], client: str, config: pytest.Config) -> T:
    with _shown_on_terminal(config):
        try:
            return install(client)
        except RegistryUnreachable as unreachable:
            pytest.skip(str(unreachable))
        except InstallError as error:
            pytest.fail(str(error), pytrace=False)


def _shown_on_terminal(config: pytest.Config) -> AbstractContextManager[None]:
    """An install takes a while, so it says what it does at once and not after the test."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    return capture.global_and_fixture_disabled()
