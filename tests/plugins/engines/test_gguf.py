import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plugins.engines.gguf_builder import STRING, U32, array, gguf, pair, text
from tradewind.plugins.engines.gguf import GgufDamaged, GgufFacts, read_gguf

PAIRS = [
    pair("general.architecture", STRING, text("llama")),
    pair("general.name", STRING, text("Tiny")),
    pair("general.license", STRING, text("apache-2.0")),
    pair("llama.context_length", U32, struct.pack("<I", 2048)),
    pair("llama.embedding_length", U32, struct.pack("<I", 64)),
    pair("tokenizer.ggml.model", STRING, text("gpt2")),
    pair("tokenizer.ggml.tokens", *array(STRING, [text("a"), text("bc")])),
    pair("tokenizer.ggml.token_type", *array(5, [b"\1\0\0\0"] * 3)),
    pair("tokenizer.chat_template", STRING, text("{{ messages }}")),
]
TENSORS = [("token_embd.weight", (64, 100)), ("norm.weight", (64,))]
GOOD = gguf(PAIRS, TENSORS)


@pytest.fixture
def read(tmp_path: Path):
    def write_and_read(raw: bytes) -> GgufFacts:
        path = tmp_path / "model.gguf"
        path.write_bytes(raw)
        return read_gguf(path)

    return write_and_read


def test_header_tells_what_the_model_is(read):
    assert read(GOOD) == GgufFacts(
        architecture="llama",
        name="Tiny",
        licence="apache-2.0",
        context_tokens=2048,
        embedding_length=64,
        parameters=64 * 100 + 64,
        tensors=2,
        tokenizer="gpt2",
        has_chat_template=True,
    )


def test_what_the_header_leaves_out_is_none(read):
    facts = read(gguf(PAIRS[:1], []))
    assert facts == GgufFacts("llama", None, None, None, None, 0, 0, None, has_chat_template=False)


def test_value_of_another_type_than_expected_is_not_taken(read):
    facts = read(gguf([*PAIRS[:1], pair("llama.context_length", 7, b"\1")], []))
    assert facts.context_tokens is None


def test_file_cut_anywhere_in_its_header_is_refused(read):
    for length in range(len(GOOD)):
        with pytest.raises(GgufDamaged):
            read(GOOD[:length])


@given(st.data())
def test_changed_bytes_are_refused_or_read_and_never_break_the_reader(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    raw = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    path.write_bytes(raw)
    with contextlib.suppress(GgufDamaged):
        assert isinstance(read_gguf(path), GgufFacts)


HUGE = 2**64 - 1


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "empty"),
        (b"PK\3\4" + GOOD[4:], "does not begin with GGUF"),
        (GOOD[:4] + struct.pack("<I", 2) + GOOD[8:], "version is 2"),
        (gguf(PAIRS, TENSORS, tensor_count=HUGE), f"claims {HUGE} tensors"),
        (gguf(PAIRS, TENSORS, key_count=HUGE), f"claims {HUGE} keys"),
        (gguf([struct.pack("<Q", HUGE)], []), f"claims {HUGE} bytes in a text"),
        (gguf([pair("k", STRING, struct.pack("<Q", 2**40))], []), "bytes in a text"),
        (gguf([pair("k", STRING, text(b"\xff\xfe"))], []), "not UTF-8"),
        (gguf([pair("k", 9, struct.pack("<IQ", STRING, HUGE))], []), "items in a list"),
        (gguf([pair("k", 9, struct.pack("<IQQ", STRING, 1, HUGE))], []), "ends inside"),
        (gguf([pair("k", 9, struct.pack("<IQ", 9, 1))], []), "lists within lists"),
        (gguf([pair("k", 9, struct.pack("<IQ", 99, 1))], []), "unknown type 99"),
        (gguf([pair("k", 99, b"")], []), "unknown type 99"),
        (gguf([PAIRS[0], PAIRS[0]], []), "occurs twice"),
        (gguf([pair("k", U32, b"\0\0\0\0")], []), "does not name its architecture"),
        (gguf(PAIRS, [("t", (1,) * 5)]), "has 5 dimensions"),
        (gguf(PAIRS, [("t", (2**40, 2**40))]), "impossibly large"),
    ],
)
def test_hostile_headers_are_refused_with_the_reason(read, raw: bytes, why: str):
    with pytest.raises(GgufDamaged, match=why):
        read(raw)
