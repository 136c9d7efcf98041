"""Forms: what clients send is understood, and nothing that two parsers could read differently."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.wire.errors import ApiError
from tradewind.wire.forms import parse, write

TYPE = b"multipart/form-data; boundary=xYzZY"
FILE = b"RIFF\x00\r\n--not-it\r\n\xff\xfe"


def part(name, content, extra=b"", disposition=b"form-data; "):
    head = b'Content-Disposition: %bname="%b"' % (disposition, name)
    return b"--xYzZY\r\n" + head + extra + b"\r\n\r\n" + content + b"\r\n"


def form_of(*parts):
    return b"".join(parts) + b"--xYzZY--\r\n"


AUDIO = part(b"file", FILE, b'; filename="a.wav"\r\nContent-Type: audio/wav')
GOOD = form_of(part(b"model", b"tw/small"), AUDIO, part(b"language", "ærlig".encode()))


def refused(body, content_type=TYPE):
    with pytest.raises(ApiError) as caught:
        parse(body, content_type)
    assert (caught.value.status, caught.value.code) == (400, "invalid_form")


def test_texts_and_files_are_told_apart():
    form = parse(GOOD, TYPE)
    assert form.texts == {"model": "tw/small", "language": "ærlig"}
    [file] = [part for part in form.parts if part.file_name is not None]
    assert (file.name, file.file_name, file.media_type) == ("file", b"a.wav", b"audio/wav")
    assert bytes(file.content) == FILE


@pytest.mark.parametrize(
    "content_type",
    [
        b"multipart/form-data; boundary=xYzZY",
        b'multipart/form-data; boundary="xYzZY"',
        b"Multipart/Form-Data;boundary=xYzZY",
        b"multipart/form-data; charset=utf-8; boundary=xYzZY",
        b"multipart/form-data; boundary=xYzZY; charset=UTF-8",
    ],
)
def test_the_boundary_is_found_however_clients_write_it(content_type):
    assert parse(GOOD, content_type).boundary == b"xYzZY"


def test_the_model_is_replaced_and_no_byte_of_the_file_is():
    body, content_type = write(parse(GOOD, TYPE), {"model": "whisper-1"})
    form = parse(body, content_type)
    assert form.texts == {"model": "whisper-1", "language": "ærlig"}
    assert [bytes(part.content) for part in form.parts if part.file_name] == [FILE]


def test_texts_are_added_and_left_out():
    body, content_type = write(parse(GOOD, TYPE), {"language": None, "response_format": "json"})
    assert parse(body, content_type).texts == {"model": "tw/small", "response_format": "json"}


def test_a_part_without_content_is_empty():
    assert parse(form_of(part(b"prompt", b"")), TYPE).texts == {"prompt": ""}


def test_lists_come_as_several_parts_of_one_name():
    files = [part(b"image[]", b"\x89PNG%d" % n, b'; filename="i.png"') for n in range(3)]
    form = parse(form_of(part(b"model", b"m"), *files), TYPE)
    assert [bytes(part.content)[-1:] for part in form.parts[1:]] == [b"0", b"1", b"2"]


@pytest.mark.parametrize(
    "content_type",
    [
        b"",
        b"application/json",
        b"multipart/mixed; boundary=xYzZY",
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b'multipart/form-data; boundary=""',
        b'multipart/form-data; boundary="a b "',
        b"multipart/form-data; boundary=" + b"x" * 71,
        b"multipart/form-data; boundary=x\r\nx-evil: 1",
        b"multipart/form-data; boundary=a; boundary=xYzZY",
    ],
)
def test_a_content_type_that_is_none_of_a_form_is_refused(content_type):
    refused(GOOD, content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xYzZY",
        b"--xYzZY--trailing",
        b"preamble\r\n" + GOOD,
        GOOD + b"epilogue",
        GOOD[:-10],
        GOOD.replace(b"--xYzZY--", b"--xYzZY"),
        form_of(b"--xYzZY\r\nno head\r\n"),
        form_of(b"--xYzZY\r\n\r\ncontent\r\n"),
        form_of(part(b"a", b"", disposition=b"attachment; ")),
        form_of(part(b"a", b"", b"; name=b")),
        form_of(part(b'a"; filename="b', b"", b'; filename="c"')),
        form_of(part(b"a\\", b"")),
        form_of(part(b"a", b"", b"\r\nContent-Disposition: form-data")),
        form_of(part(b"a", b"", b"\r\n folded: 1")),
        form_of(part(b"a", b"", b"\r\nX : 1")),
        form_of(part(b"a", b"", b"\r\nX: 1\ny: 2")),
        form_of(part(b"a", b"", b"\r\nContent-Transfer-Encoding: base64")),
        form_of(part(b"a", b"x", b'; filename="f"\r\nContent-Type: a\x01b')),
        form_of(part(b"model", b"one"), part(b"model", b"two")),
        form_of(part(b"model", b"one", b'; filename="m"')),
        form_of(part(b"prompt", b"\xff")),
        form_of(part(b"prompt", b"x" * (256 * 1024 + 1))),
        form_of(*[part(b"a", b"")] * 65),
        form_of(part(b"a", b"", b"\r\nX: " + b"y" * 5000)),
    ],
    ids=lambda body: repr(body[:60]),
)
def test_a_form_that_could_be_read_in_two_ways_is_refused(body):
    refused(body)


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_garbage_is_refused_and_never_breaks_anything(body, content_type):
    for given_type in (TYPE, content_type):
        try:
            parse(b"--xYzZY\r\n" + body, given_type)
        except ApiError as error:
            assert error.status == 400


@given(
    st.binary(max_size=300).filter(lambda raw: b"--xYzZY" not in raw),
    st.text(max_size=50).filter(lambda text: "--xYzZY" not in text),
)
def test_what_is_written_is_read_again_as_it_was(content, text):
    body = form_of(part(b"file", content, b'; filename="f"'), part(b"prompt", text.encode()))
    written, content_type = write(parse(body, TYPE), {"model": "m"})
    form = parse(written, content_type)
    assert form.texts == {"prompt": text, "model": "m"}
    assert bytes(form.parts[0].content) == content
