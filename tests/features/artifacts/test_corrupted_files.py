"""One byte of a file is changed, any byte, of every kind of file that is taken.

Whoever changes it on the way is found out by the digest. Whoever may write the digest too gets what
anybody gets: a refusal that names the file, or facts that let nothing run.
"""

import hashlib
import json
import pickle
from collections import OrderedDict

import pytest

from tradewind.features.artifacts.errors import FileRefused
from tradewind.features.artifacts.scan.byte_source import BytesSource
from tradewind.features.artifacts.scan.chat_templates import check_template
from tradewind.features.artifacts.scan.scan import scan
from tradewind.features.artifacts.schemas import UploadState
from tradewind.testing.model_files import (
    GgufTensor,
    gguf_file,
    gguf_header,
    harmless_pickle,
    safetensors_file,
    torch_archive,
)

pytestmark = pytest.mark.timeout(300)

TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
GGUF = {
    "general.name": "small",
    "general.file_type": 0,
    "llama.context_length": 512,
    "tokenizer.ggml.tokens": ["<s>", "a"],
    "tokenizer.chat_template": TEMPLATE,
}
TENSORS = (GgufTensor("token_embd.weight", (8, 2)), GgufTensor("output.weight", (8, 2)))
FILES = {
    "model.gguf": gguf_file(GGUF, TENSORS),
    "model.safetensors": safetensors_file(
        {"a.weight": ("F32", [2, 3], 24), "b.bias": ("BF16", [4], 8)}, metadata={"title": "small"}
    ),
    "ordered.bin": pickle.dumps(OrderedDict(weight=[1.0, 2.0]), protocol=4),
    "tensor.pt": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nq\x00ctorch\nFloatStorage\nq\x01.",
    "model.bin": harmless_pickle(),
    "model.pt": torch_archive(harmless_pickle()),
    "config.json": json.dumps({"architectures": ["A"], "chat_template": TEMPLATE}).encode(),
    "chat_template.jinja": TEMPLATE.encode(),
    "tokenizer.model": b"\x0a\x05\x0a\x01a\x10\x01",
    "README.md": "# Größe\n".encode(),
}
PICKLES = (".bin", ".pt")
FLIPS = (0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF)


def changed(content: bytes, at: int, flip: int) -> bytes:
    return content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :]


def some_places(content: bytes) -> list[int]:
    """Places all over a file. Every byte is walked over where that is quick, without a database."""
    return sorted({*range(0, len(content), max(1, len(content) // 16)), len(content) - 1})


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_a_refusal_with_a_name_or_facts_that_run_nothing(name: str):
    content = FILES[name]
    assert scan(BytesSource(name, content), accepts_pickles=True), "it is right as it was"
    refused = 0
    for at in range(len(content)):
        for flip in FLIPS:
            try:
                facts = scan(BytesSource(name, changed(content, at, flip)), accepts_pickles=True)
            except FileRefused as error:
                refused += 1
                assert name in str(error)
                assert error.why
            else:
                assert facts.is_quarantined == name.endswith(PICKLES)
                if facts.chat_template is not None:
                    check_template(name, facts.chat_template)
    assert refused, "some bytes matter"


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(PICKLES)])
def test_no_changed_pickle_is_taken_where_pickles_are_not(name: str):
    content = FILES[name]
    for at in range(len(content)):
        with pytest.raises(FileRefused, match=name):
            scan(BytesSource(name, changed(content, at, 0xFF)))


def test_a_changed_byte_in_the_data_of_a_gguf_file_changes_no_fact():
    """What a scan does not see the digest does: so an artifact always says which bytes it has."""
    content, header = FILES["model.gguf"], len(gguf_header(GGUF, TENSORS)[0])
    whole = scan(BytesSource("model.gguf", content))
    for at in range(header, len(content)):
        assert scan(BytesSource("model.gguf", changed(content, at, 0xFF))) == whole


@pytest.mark.postgres
@pytest.mark.parametrize("name", FILES)
def test_a_byte_changed_on_its_way_is_refused_and_nothing_of_it_is_kept(make_desk, operator, name):
    desk = make_desk(accepts_pickles=True)
    content = FILES[name]
    digest = hashlib.sha256(content).hexdigest()
    for at in some_places(content):
        damaged = changed(content, at, 0xFF)
        ended = desk.upload(operator, name, damaged, sha256=digest)
        assert ended.state is UploadState.REFUSED
        assert name in ended.reason
        assert f"{digest} was announced" in ended.reason
        assert (ended.blob_id, ended.facts) == (None, None)
        with desk.database.transaction() as tx:
            desk.services.uploads.abort(tx, operator, ended.upload_id)
    assert desk.stored() == []
    with desk.database.transaction() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM artifact_blob").scalar() == 0


@pytest.mark.postgres
@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_under_its_own_digest_is_kept_whole_or_not_at_all(
    make_desk, operator, name: str
):
    desk = make_desk(accepts_pickles=True)
    content = FILES[name]
    for at in some_places(content):
        damaged = changed(content, at, 0xFF)
        digest = hashlib.sha256(damaged).hexdigest()
        before = desk.stored()
        ended = desk.upload(operator, name, damaged, sha256=digest)
        if ended.state is UploadState.REFUSED:
            assert name in ended.reason
            assert desk.stored() == before
            continue
        assert (ended.state, ended.sha256) == (UploadState.READY, digest)
        [new] = set(desk.stored()) - set(before)
        assert (desk.folder / new).read_bytes() == damaged
