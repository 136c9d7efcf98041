"""Artifacts: made of uploads, signed, verified, sealed, deleted."""

import json
import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tradewind.core.errors import InvalidInput, NotFound, Unavailable
from tradewind.features.artifacts.errors import (
    ArtifactInUse,
    ArtifactSealed,
    BlobDamaged,
    SignatureRefused,
    UploadIncomplete,
)
from tradewind.features.artifacts.manifest import (
    PlatformSigner,
    check_signature,
    digest_of,
    signed_bytes,
)
from tradewind.features.artifacts.schemas import NewFile, UploadState, Visibility
from tradewind.features.artifacts.service import Artifacts, verify
from tradewind.features.artifacts.worker_copies import MEMORY, remove_abandoned
from tradewind.testing.model_files import GgufTensor, gguf_file, harmless_pickle, safetensors_file

pytestmark = pytest.mark.postgres

GGUF = gguf_file({"llama.context_length": 2048, "general.license": "mit"})
CONFIG = json.dumps({"architectures": ["Llama"], "max_position_embeddings": 4096}).encode()
WHOLE = {"model.gguf": GGUF, "extra/config.json": CONFIG}
SEALED = {"visibility": Visibility.SEALED}


def test_an_artifact_is_named_by_the_digest_of_its_signed_manifest(desk, operator):
    made = desk.make(operator, WHOLE)
    assert made.row.digest == digest_of(made.manifest)
    assert made.manifest.startswith(b'{"files":[{"path":"extra/config.json","sha256":"')
    (signature,) = made.signatures
    check_signature(made.manifest, signature.public_key, signature.signature)
    assert signature.signer == "platform"


def test_the_same_files_are_the_same_artifact_in_any_order(desk, operator, person):
    first = desk.make(operator, WHOLE)
    second = desk.make(operator, dict(reversed(WHOLE.items())))
    assert second.row.artifact_id == first.row.artifact_id
    assert desk.make(person(), WHOLE).row.digest == first.row.digest


def test_files_say_together_what_the_model_is(desk, operator, do):
    made = desk.make(operator, WHOLE)
    facts = do(desk.services.artifacts.facts, made.row.digest)
    assert (facts.format, facts.architecture, facts.context_tokens) == ("gguf", "llama", 2048)
    assert (facts.licence, facts.parameters) == ("mit", 32)
    assert do(desk.services.artifacts.facts, "sha256:" + "0" * 64) is None
    assert do(desk.services.artifacts.find, "no digest") is None


def test_shards_have_the_weights_of_all_of_them(desk, operator, do):
    shards = {
        f"model-0000{number}.safetensors": safetensors_file({name: ("F32", [2, 3], 24)})
        for number, name in ((1, "a"), (2, "b"))
    }
    made = desk.make(operator, shards)
    assert do(desk.services.artifacts.facts, made.row.digest).parameters == 12


@pytest.mark.parametrize(
    "paths",
    [["a.gguf", "A.gguf"], ["a.gguf", "a.gguf/b.json"], ["../a.gguf", "b"], ["/a", "b"], ["", "b"]],
)
def test_paths_that_could_be_confused_or_lead_out_are_refused(desk, operator, do, paths):
    uploads = [desk.upload(operator, f"{n}.gguf", GGUF).upload_id for n in range(2)]
    files = [NewFile(path, upload) for path, upload in zip(paths, uploads, strict=True)]
    with pytest.raises(InvalidInput):
        do(desk.services.artifacts.make_artifact, operator, files)


def test_an_upload_that_is_not_ready_is_no_file(desk, operator, do):
    row = desk.begin(operator, "model.gguf", GGUF)
    make = desk.services.artifacts.make_artifact
    with pytest.raises(UploadIncomplete, match="is open"):
        do(make, operator, [NewFile("model.gguf", row.upload_id)])
    with pytest.raises(NotFound):
        do(make, operator, [NewFile("model.gguf", "upl_x")])


def test_open_and_sealed_files_do_not_mix(desk, operator, do):
    uploads = [
        desk.upload(operator, "a.gguf", GGUF),
        desk.upload(operator, "b.gguf", GGUF, **SEALED),
    ]
    files = [NewFile(row.name, row.upload_id) for row in uploads]
    with pytest.raises(InvalidInput, match="some are not"):
        do(desk.services.artifacts.make_artifact, operator, files)


# --- signatures --------------------------------------------------------------------------------


def test_a_publisher_signs_with_its_own_key(desk, operator, do):
    made, key = desk.make(operator, WHOLE), Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    sign = desk.services.artifacts.sign
    signature = key.sign(signed_bytes(made.manifest))
    do(sign, operator, made.row.digest, public_key=public, signature=signature)
    signed = do(sign, operator, made.row.digest, public_key=public, signature=signature)
    assert {each.signer for each in signed.signatures} == {"platform", "publisher"}
    assert len(signed.signatures) == 2


def test_a_signature_of_something_else_is_refused(desk, operator, do):
    made, key = desk.make(operator, WHOLE), Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    for signed, with_key in (
        (made.manifest, public),
        (signed_bytes(made.manifest), PlatformSigner(bytes(32)).public_key),
        (signed_bytes(made.manifest), public[:31]),
    ):
        with pytest.raises(SignatureRefused):
            do(
                desk.services.artifacts.sign,
                operator,
                made.row.artifact_id,
                public_key=with_key,
                signature=key.sign(signed),
            )


# --- what changed is named ---------------------------------------------------------------------


@pytest.mark.parametrize("visibility", Visibility)
def test_any_changed_byte_of_an_artifact_is_found_and_its_file_named(desk, operator, visibility):
    made = desk.make(operator, WHOLE, visibility=visibility)
    artifact = desk.open(made.row.digest)
    assert verify(artifact, made.manifest) == []
    file = next(file for file in artifact.files if file.path == "extra/config.json")
    stored = desk.folder / file.location
    whole = stored.read_bytes()
    for at in range(len(whole)):
        stored.write_bytes(whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :])
        assert [each.path for each in verify(artifact, made.manifest)] == ["extra/config.json"], at
    for changed in (whole[:-1], b""):
        stored.write_bytes(changed)
        assert [each.path for each in verify(artifact, made.manifest)] == ["extra/config.json"]
    stored.unlink()
    assert [each.path for each in verify(artifact, made.manifest)] == ["extra/config.json"]


# --- sealed ------------------------------------------------------------------------------------

MARK = b"these weights are known to nobody else, not even in part"


@pytest.fixture
def secret_weights():
    """A file whose weights are a text that can be looked for, over more than one chunk."""
    body = MARK * (3 * 1024 * 1024 // len(MARK))
    rows = len(body) // 1024
    file = gguf_file(tensors=[GgufTensor("token_embd.weight", (256, rows))])
    return file[: len(file) - rows * 1024] + body[: rows * 1024]


def bytes_below(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_the_weights_of_a_sealed_artifact_are_nowhere_in_the_data_folder(
    desk, operator, secret_weights, tmp_path
):
    row = desk.begin(operator, "model.gguf", secret_weights, **SEALED)
    desk.put(operator, row, 1, secret_weights)
    assert len(bytes_below(tmp_path)) > len(secret_weights)
    assert MARK not in bytes_below(tmp_path)
    desk.complete(operator, row)
    desk.check()
    assert desk.get(operator, row).row.state is UploadState.READY
    assert MARK not in bytes_below(tmp_path)


def test_the_same_open_artifact_would_be_found(desk, operator, secret_weights, tmp_path):
    desk.make(operator, {"model.gguf": secret_weights})
    assert MARK in bytes_below(tmp_path)


def test_a_sealed_artifact_opens_for_the_worker_in_memory_alone(
    desk, operator, secret_weights, tmp_path
):
    made = desk.make(operator, {"model.gguf": secret_weights}, **SEALED)
    artifact = desk.open(made.row.digest)
    with pytest.raises(Unavailable, match="in memory only"):
        artifact.place_in(tmp_path)
    with artifact.private_copy() as folder:
        copy = folder / "model.gguf"
        assert folder.parent == MEMORY
        assert copy.read_bytes() == secret_weights
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder not in remove_abandoned()
    assert not folder.exists()


def test_a_copy_whose_owner_was_killed_is_removed_by_the_next():
    folder = MEMORY / f"tradewind-sealed-test-{os.getpid()}"
    folder.mkdir(mode=0o700)
    (folder / ".lock").touch()
    (folder / "model.gguf").write_bytes(b"plain")
    assert folder in remove_abandoned()
    assert not folder.exists()


def test_a_sealed_artifact_has_no_download(desk, operator, do):
    made = desk.make(operator, WHOLE, **SEALED)
    with pytest.raises(ArtifactSealed):
        do(desk.services.artifacts.open_download, operator, made.row.digest, made.files[0].sha256)


def test_sealed_bytes_of_two_organizations_are_sealed_apart(desk, operator, person):
    rows = [desk.upload(who, "model.gguf", GGUF, **SEALED) for who in (operator, person())]
    assert len({row.blob_id for row in rows}) == 2
    again = desk.upload(operator, "again.gguf", GGUF, **SEALED)
    assert again.blob_id == rows[0].blob_id
    first, second = (desk.folder / name for name in desk.stored())
    assert first.read_bytes() != second.read_bytes()


def test_chunks_of_a_sealed_file_cannot_change_places(desk, operator, secret_weights):
    made = desk.make(operator, {"model.gguf": secret_weights}, **SEALED)
    artifact = desk.open(made.row.digest)
    stored = desk.folder / artifact.files[0].location
    whole, chunk = stored.read_bytes(), 1024 * 1024 + 28
    stored.write_bytes(whole[chunk : 2 * chunk] + whole[:chunk] + whole[2 * chunk :])
    with pytest.raises(BlobDamaged):
        b"".join(artifact.pieces(artifact.files[0]))


# --- worker ------------------------------------------------------------------------------------


def test_an_open_artifact_is_linked_for_the_worker(desk, operator, tmp_path):
    made = desk.make(operator, WHOLE)
    artifact = desk.open(made.row.digest)
    folder = tmp_path / "replica"
    folder.mkdir()
    artifact.place_in(folder)
    assert (folder / "extra" / "config.json").read_bytes() == CONFIG
    assert (folder / "model.gguf").stat().st_nlink == 2
    assert (folder / "model.gguf").read_bytes() == GGUF


def test_there_is_nothing_to_open_for_an_unknown_digest(desk):
    for digest in ("sha256:" + "0" * 64, "nonsense", ""):
        with pytest.raises(NotFound):
            desk.open(digest)


# --- pickles -----------------------------------------------------------------------------------


def test_a_pickle_is_refused_unless_the_operator_takes_them(desk, operator):
    row = desk.upload(operator, "pytorch_model.bin", harmless_pickle())
    assert row.state is UploadState.REFUSED
    assert "runs code" in row.reason


def test_a_pickle_that_is_taken_is_in_quarantine(make_desk, operator, do):
    desk = make_desk(accepts_pickles=True)
    made = desk.make(operator, {"pytorch_model.bin": harmless_pickle()})
    assert made.row.is_quarantined
    with pytest.raises(ArtifactSealed, match="quarantine"):
        desk.open(made.row.digest)
    with pytest.raises(ArtifactSealed, match="quarantine"):
        do(desk.services.artifacts.open_download, operator, made.row.digest, made.files[0].sha256)


# --- deleting ----------------------------------------------------------------------------------


def test_deleting_one_artifact_leaves_the_bytes_of_another(desk, operator, person, do):
    other = person()
    mine, theirs = desk.make(operator, WHOLE), desk.make(other, {"model.gguf": GGUF})
    do(desk.services.artifacts.delete_artifact, operator, mine.row.artifact_id)
    desk.clock.advance(days=8)
    desk.sweep()
    assert len(desk.stored()) == 1
    assert verify(desk.open(theirs.row.digest), theirs.manifest) == []
    do(desk.services.artifacts.delete_artifact, other, theirs.row.digest)
    desk.clock.advance(hours=2)
    desk.sweep()
    assert desk.stored() == []


def test_an_artifact_that_is_used_stays(desk, operator, do):
    made = desk.make(operator, WHOLE)
    service = desk.services.artifacts
    used = Artifacts(
        service._store,
        service._vault,
        desk.clock,
        service._signer,
        users=[lambda _tx, _owner, digest: f"the version of {digest[:10]}"],
    )
    with pytest.raises(ArtifactInUse, match="the version of sha256:"):
        do(used.delete_artifact, operator, made.row.digest)


def test_artifacts_of_others_are_not_there(desk, operator, person, do):
    made, stranger = desk.make(operator, WHOLE), person()
    for act in (desk.services.artifacts.get_artifact, desk.services.artifacts.delete_artifact):
        with pytest.raises(NotFound):
            do(act, stranger, made.row.digest)
