"""One POST to a URL that somebody typed, on real sockets: what is sent, and what is never done."""

import asyncio
import ssl

import pytest

from tests.gateway.http.tls_parts import Authority
from tests.worker.webhook_parts import Receiver, answer, hang, raw
from tradewind.core.checked_hosts import LoopConnector
from tradewind.core.errors import StartupError
from tradewind.features.webhooks.rules import parse_url
from tradewind.features.webhooks.schemas import Outcome
from tradewind.testing.fake_network import FakeConnector, FakeResolver
from tradewind.worker.webhook_post import Poster, SystemResolver, trusted

PUBLIC = "8.8.8.8"
HEADERS = {"webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,abc"}
BODY = '{"type":"Größe"}'.encode()
LONG_S = 60.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def plain(*, timeout_s: float = LONG_S) -> Poster:
    return Poster(
        SystemResolver(),
        LoopConnector(),
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        timeout_s=timeout_s,
    )


async def post(receiver: Receiver, *, target: str = "/in", poster: Poster | None = None) -> Outcome:
    url = parse_url(f"http://127.0.0.1:{receiver.port}{target}", is_private_network=True)
    return await (poster or plain()).post(url, HEADERS, BODY, must_be_public=False)


async def test_what_is_sent_is_a_post_of_json_with_the_three_headers():
    async with Receiver(answer(200)) as receiver:
        assert await post(receiver, target="/in/?team=7") == Outcome(200)
        (received,) = receiver.received
        assert received.line == "POST /in/?team=7 HTTP/1.1"
        assert received.body == BODY
        assert received.headers == {
            "host": f"127.0.0.1:{receiver.port}",
            "user-agent": "Tradewind",
            "content-type": "application/json",
            "content-length": str(len(BODY)),
            "accept": "*/*",
            "connection": "close",
            **HEADERS,
        }


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_a_delivery(status):
    async with Receiver(answer(status, body=b"")) as receiver:
        outcome = await post(receiver)
    assert outcome == Outcome(status)
    assert outcome.is_delivered


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status):
    async with Receiver(answer(200)) as elsewhere:
        location = f"location: http://127.0.0.1:{elsewhere.port}/"
        async with Receiver(answer(status, location)) as receiver:
            outcome = await post(receiver)
        assert elsewhere.received == []
    assert (outcome.status, outcome.is_delivered) == (status, False)
    assert outcome.error == f"the answer was {status}, a redirect, and none is followed"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("999999", 86_400), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)],
)
async def test_a_refusal_tells_when_to_come_back(header, seconds):
    async with Receiver(answer(503, f"Retry-After: {header}")) as receiver:
        assert await post(receiver) == Outcome(503, "the answer was 503", seconds)


async def test_nothing_of_the_answer_is_kept_but_its_status():
    async with Receiver(answer(500, body=b"a secret stack trace")) as receiver:
        assert "secret" not in repr(await post(receiver))


async def test_a_receiver_that_says_nothing_is_left_after_the_time():
    async with Receiver(hang) as receiver:
        outcome = await post(receiver, poster=plain(timeout_s=0.2))
    assert outcome == Outcome(None, "no answer within 0.2 s")


async def test_a_receiver_that_drips_its_head_is_left_after_the_time():
    async def drip(_reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with Receiver(drip) as receiver:
        outcome = await post(receiver, poster=plain(timeout_s=0.3))
    assert outcome.status is None


async def test_a_body_that_never_ends_does_not_undo_the_status():
    async def endless(_reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with Receiver(endless) as receiver:
        assert await post(receiver) == Outcome(200)
    async with Receiver(raw(b"HTTP/1.1 202 OK\r\ncontent-length: 9\r\n\r\n1")) as receiver:
        assert await post(receiver) == Outcome(202)


async def test_a_head_that_never_ends_is_no_answer():
    async def endless(_reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x: " + b"y" * 8192 + b"\r\n")
            await writer.drain()

    async with Receiver(endless) as receiver:
        assert (await post(receiver)).status is None


async def test_an_answer_that_is_only_coming_is_waited_for():
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    final = b"HTTP/1.1 204 No Content\r\n\r\n"
    async with Receiver(raw(interim, final)) as receiver:
        assert await post(receiver) == Outcome(204)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", "the answer ended before it began"),
        (b"HTTP/1.1 200", "the answer ended before it began"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "the answer is not HTTP"),
    ],
)
async def test_what_is_no_answer_is_told_in_our_words(said, error):
    async with Receiver(raw(said)) as receiver:
        assert await post(receiver) == Outcome(None, error)


async def test_a_port_where_nobody_listens():
    async with Receiver(answer(200)) as receiver:
        pass
    assert await post(receiver) == Outcome(None, "the host refuses connections")


# --- hosts that may not be called ------------------------------------------------------------


class Internet:
    """Public names and addresses, all of them this machine; see `fake_network`."""

    def __init__(self, receiver: Receiver, names, tls: ssl.SSLContext | None = None, **how) -> None:
        self.resolver = FakeResolver(names)
        self.connector = FakeConnector(receiver.port, **how)
        context = tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.poster = Poster(self.resolver, self.connector, context, timeout_s=LONG_S)

    async def post(self, text: str, *, must_be_public: bool = True) -> Outcome:
        url = parse_url(text, is_private_network=True)
        return await self.poster.post(url, HEADERS, BODY, must_be_public=must_be_public)


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.7"], ["169.254.169.254"], ["::1"], [PUBLIC, "192.168.1.1"]],
)
async def test_a_name_that_leads_into_a_private_network_is_not_connected_to(addresses):
    async with Receiver(answer(200)) as receiver:
        internet = Internet(receiver, {"hooks.example": [addresses]})
        outcome = await internet.post("http://hooks.example/")
    assert outcome == Outcome(None, "the host is in a private network")
    assert internet.connector.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"])
async def test_an_address_in_a_private_network_is_not_connected_to(host):
    async with Receiver(answer(200)) as receiver:
        internet = Internet(receiver, {})
        outcome = await internet.post(f"http://{host}/")
    assert outcome == Outcome(None, "the host is in a private network")
    assert internet.connector.asked == []


async def test_a_private_network_is_called_where_an_administrator_allows_it():
    async with Receiver(answer(200)) as receiver:
        internet = Internet(receiver, {"hooks.lan": [["10.0.0.7"]]})
        assert await internet.post("http://hooks.lan/", must_be_public=False) == Outcome(200)
    assert internet.connector.asked == [("10.0.0.7", 80, None)]


async def test_a_name_that_is_rebound_gets_no_second_look():
    async with Receiver(answer(200)) as receiver:
        internet = Internet(receiver, {"hooks.example": [[PUBLIC], ["127.0.0.1"]]})
        assert await internet.post("http://hooks.example/") == Outcome(200)
        assert internet.connector.asked == [(PUBLIC, 80, None)]
        assert internet.resolver.questions == [("hooks.example", 80)]
        outcome = await internet.post("http://hooks.example/")
    assert outcome == Outcome(None, "the host is in a private network")
    assert len(internet.connector.asked) == 1


async def test_another_address_of_the_name_is_tried_when_one_refuses():
    async with Receiver(answer(200)) as receiver:
        names = {"hooks.example": [["8.8.4.4", PUBLIC]]}
        internet = Internet(receiver, names, refusing={"8.8.4.4"})
        assert await internet.post("http://hooks.example/") == Outcome(200)
    assert [ip for ip, _, _ in internet.connector.asked] == ["8.8.4.4", PUBLIC]


async def test_a_name_that_nobody_knows():
    async with Receiver(answer(200)) as receiver:
        outcome = await Internet(receiver, {}).post("http://hooks.example/")
    assert outcome == Outcome(None, "the name of the host is not known")


async def test_the_certificate_must_be_the_names(authority):
    names = {"models.example": [[PUBLIC]], "other.example": [[PUBLIC]]}
    async with Receiver(answer(200), tls=authority.server()) as receiver:
        internet = Internet(receiver, names, trusted(authority.path))
        assert await internet.post("https://models.example/") == Outcome(200)
        outcome = await internet.post("https://other.example/")
        assert outcome.status is None
        assert outcome.error is not None
        assert outcome.error.startswith("TLS: Hostname mismatch")
        assert len(receiver.received) == 1
    assert internet.connector.asked[0] == (PUBLIC, 443, "models.example")


async def test_a_certificate_of_nobody_known_is_refused(authority):
    async with Receiver(answer(200), tls=authority.server()) as receiver:
        internet = Internet(receiver, {"models.example": [[PUBLIC]]}, trusted(None))
        outcome = await internet.post("https://models.example/")
    assert outcome.error is not None
    assert outcome.error.startswith("TLS: ")
    assert receiver.received == []


def test_a_bundle_that_is_not_there_is_told_at_the_start(tmp_path):
    with pytest.raises(StartupError):
        trusted(tmp_path / "missing.pem")
