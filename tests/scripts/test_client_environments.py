"""When an environment of a client is made anew, and how a failed install is told."""

import base64
import hashlib
import tarfile

import pytest

from scripts.client_environments import (
    NPM_PACKAGES,
    InstallError,
    NpmPackage,
    RegistryUnreachable,
    explain_failure,
    python_clients,
    unpack,
)

REFUSED = (
    "WARNING: Retrying after connection broken by 'NewConnectionError: refused'\n"
    "ERROR: No matching distribution found for anthropic==2.8.0\n"
)


@pytest.mark.parametrize(
    "said",
    [
        REFUSED,
        "npm error code EAI_AGAIN\nnpm error request failed, reason: getaddrinfo\n",
        "npm error code ECONNREFUSED\n",
    ],
)
def test_a_registry_that_does_not_answer_is_told_apart(said):
    assert isinstance(explain_failure("a-client", said), RegistryUnreachable)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM\n", "does not have the locked hash"),
        ("WARNING: odd\nERROR: No matching distribution found for x==1\n", "for x==1"),
        ("npm error code E404\nnpm error 404 openai@0 is not here\n", "404 openai@0"),
        ("", "no reason told"),
    ],
)
def test_any_other_failure_is_one_line(said, told):
    failure = explain_failure("a-client", said)
    assert not isinstance(failure, RegistryUnreachable)
    assert told in str(failure)
    assert "\n" not in str(failure)


@pytest.fixture
def archive(tmp_path):
    """What npm fetches: one folder in an archive."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "index.mjs").write_text("export default 1;\n")
    path = tmp_path / "one-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, "package")
    return path


def test_the_pinned_release_is_unpacked_under_its_name(archive, tmp_path):
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    target = tmp_path / "node_modules" / "one"
    unpack(archive, NpmPackage("one", "1.0.0", f"sha512-{digest}"), target)
    assert (target / "index.mjs").read_text() == "export default 1;\n"
    assert [path.name for path in target.parent.iterdir()] == ["one"]


def test_another_archive_than_the_pinned_one_is_refused(archive, tmp_path):
    target = tmp_path / "node_modules" / "one"
    with pytest.raises(InstallError, match="has not the pinned hash"):
        unpack(archive, NpmPackage("one", "1.0.0", "sha512-AAAA"), target)
    assert not target.exists()


def test_every_client_has_a_name_of_its_own():
    names = [*python_clients(), *NPM_PACKAGES]
    assert {"openai-2", "openai-3", "anthropic", "azure-ai-inference"} <= set(names)
    assert len(set(names)) == len(names)
