"""TXT records asked of a name server on loopback, which answers well, badly and not at all."""

import contextlib
import struct

import pytest
from dns_server import TXT, alias, answer, name, name_server, txt
from hypothesis import given
from hypothesis import strategies as st

from tradewind.worker.dns_txt import NameServers, Server, TxtUnanswered, system_servers

NAME = "_tradewind-challenge.acme.example"
LONG_S = 60.0


async def ask(by_udp, by_tcp=None, *, asked=NAME):
    async with name_server(by_udp, by_tcp) as server:
        return await NameServers([server], timeout_s=LONG_S).txt(asked)


async def refusal_of(by_udp, by_tcp=None):
    with pytest.raises(TxtUnanswered) as refused:
        await ask(by_udp, by_tcp)
    return str(refused.value)


async def test_all_records_of_a_name_are_returned_each_as_one_text():
    found = await ask(lambda query: answer(query, txt("v=spf1 ", "-all"), txt("proof=1")))
    assert found == ["v=spf1 -all", "proof=1"]


async def test_the_question_is_for_texts_of_exactly_this_name():
    seen = []

    def reply(query):
        seen.append(query)
        return answer(query)

    assert await ask(reply) == []
    head = struct.unpack("!6H", seen[0][:12])
    assert head[1:] == (0x0100, 1, 0, 0, 0)
    assert seen[0][12:] == name(NAME) + struct.pack("!HH", TXT, 1)


async def test_a_name_that_does_not_exist_has_no_records():
    assert await ask(lambda query: answer(query, code=3)) == []


async def test_a_record_behind_an_alias_is_found_and_one_of_another_name_is_not():
    elsewhere = name("proofs.example")
    records = (alias("proofs.example"), txt("yes", owner=elsewhere), txt("no", owner=name("x.y")))
    assert await ask(lambda query: answer(query, *records)) == ["yes"]


async def test_an_answer_that_is_cut_short_is_asked_for_again_over_tcp():
    found = await ask(
        lambda query: answer(query, flags=0x8380), lambda query: answer(query, txt("whole"))
    )
    assert found == ["whole"]


async def test_an_answer_to_another_question_is_refused_and_a_guessed_number_is_passed_over():
    def guessed_first(query):
        wrong = bytes([query[0] ^ 1, query[1]]) + answer(query, txt("guessed"))[2:]
        return [wrong, answer(query, txt("right"))]

    assert await ask(guessed_first) == ["right"]
    other = name("other.example") + struct.pack("!HH", TXT, 1)
    said = await refusal_of(lambda query: answer(query[:12] + other, txt("guessed")))
    assert said == "the name server answered another question"


async def test_a_server_that_fails_says_why_and_the_next_one_is_asked():
    assert "SERVFAIL" in await refusal_of(lambda query: answer(query, code=2))
    async with (
        name_server(lambda query: answer(query, code=5)) as refusing,
        name_server(lambda query: answer(query, txt("second"))) as second,
    ):
        assert await NameServers([refusing, second], timeout_s=LONG_S).txt(NAME) == ["second"]


async def test_silence_and_an_absent_server_are_no_answer():
    async with name_server(lambda _query: None) as silent:
        with pytest.raises(TxtUnanswered, match="does not answer"):
            await NameServers([silent], timeout_s=0.05).txt(NAME)
    with pytest.raises(TxtUnanswered, match="no name server"):
        await NameServers([]).txt(NAME)
    with pytest.raises(TxtUnanswered, match="cannot be reached"):
        await NameServers([silent], timeout_s=LONG_S).txt(NAME)


@pytest.mark.parametrize(
    "broken",
    [
        lambda query: answer(query, count=5),
        lambda query: answer(query, txt("x", owner=b"\xc0\xff")),
        lambda query: answer(query, txt("x", owner=bytes([0xC0, len(query)]))),  # to itself
        lambda query: answer(query, b"\xc0\x0c" + struct.pack("!HHIH", TXT, 1, 0, 9) + b"\x08a"),
        lambda query: answer(query, b"\xc0\x0c" + struct.pack("!HHIH", TXT, 1, 0, 2) + b"\x08a"),
        lambda query: answer(query, txt("x", owner=b"\x80")),
        lambda query: query[:7],
    ],
)
async def test_an_answer_that_cannot_be_read_is_said_to_be_so(broken):
    assert await refusal_of(broken) == "the answer of the name server cannot be read"


async def test_a_server_that_hangs_up_over_tcp_is_said_to():
    said = await refusal_of(lambda query: answer(query, flags=0x8380), lambda _query: None)
    assert said == "the name server hung up"


@pytest.mark.parametrize("wrong", ["", "a..b", "a" * 64 + ".example", ".".join(["abcdefg"] * 40)])
async def test_what_is_no_name_is_not_asked(wrong):
    with pytest.raises(TxtUnanswered, match="no name"):
        await NameServers([]).txt(wrong)


@given(st.binary(max_size=200))
async def test_no_bytes_of_a_server_break_more_than_the_question(rest):
    head = b"\x81\x80\x00\x01\x00\x02\0\0\0\0"
    with contextlib.suppress(TxtUnanswered):
        await ask(lambda query: query[:2] + head + query[12:] + rest)


def test_the_servers_of_the_machine_are_read(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text("# by hand\nsearch example\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n")
    assert system_servers(path) == [Server("192.0.2.1"), Server("2001:db8::1")]
    assert system_servers(tmp_path / "none") == [Server("127.0.0.1")]
