"""Requests and responses whose handling must not depend on how they were cut into reads."""

HOST = b"Host: gateway.example\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"


def request(line, *headers, body=b"", host=HOST):
    return line + b"\r\n" + host + b"".join(h + b"\r\n" for h in headers) + b"\r\n" + body


_POST = request(b"POST /now HTTP/1.1", b"Content-Length: 5", body=b"hello")
_GET = request(b"GET /later?x=1&y HTTP/1.1", b"Accept: */*")
_CHUNKS = b"5\r\nhello\r\n1;ext=1\r\n \r\nA\r\n0123456789\r\n0\r\n\r\n"

REQUESTS = {
    "get": _GET,
    "post": _POST,
    "post without a body": request(b"POST /now HTTP/1.1", b"Content-Length: 0"),
    "head": request(b"HEAD /now HTTP/1.1"),
    "no content": request(b"DELETE /empty HTTP/1.1"),
    "stream": request(b"POST /stream HTTP/1.1", b"Content-Length: 2", body=b"{}"),
    "headers with blanks and repeats": request(
        b"GET /now HTTP/1.1", b"X-A:1  ", b"x-a: \t2", b"Cookie: a=b", b"Cookie: c=d", b"X-Empty:"
    ),
    "absolute form": request(b"GET http://other.example/now?q HTTP/1.1"),
    "options for the server": request(b"OPTIONS * HTTP/1.1"),
    "chunked": request(b"POST /now HTTP/1.1", _CHUNKED[:-2], body=_CHUNKS),
    "chunked with trailers": request(
        b"POST /later HTTP/1.1", _CHUNKED[:-2], body=b"1\r\nx\r\n000\r\nA: b\r\nC:\r\n\r\n"
    ),
    "chunked then get": request(b"POST /stream HTTP/1.1", _CHUNKED[:-2], body=_CHUNKS) + _GET,
    "pipelined pair": _GET + _POST,
    "pipelined five": _POST + _GET + request(b"GET /stream HTTP/1.1") + _POST + _GET,
    "pipelined after close": request(b"GET /now HTTP/1.1", b"Connection: close") + _GET,
    "expect": request(
        b"POST /now HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 3", body=b"abc"
    ),
    "expect chunked": request(
        b"POST /now HTTP/1.1", b"Expect: 100-Continue", _CHUNKED[:-2], body=b"1\r\nx\r\n0\r\n\r\n"
    ),
    "expect something else": request(
        b"POST /now HTTP/1.1", b"Expect: a pony", b"Content-Length: 1"
    ),
    "expect but denied": request(
        b"POST /denied HTTP/1.1", b"Expect: 100-continue", b"Content-Length: 3", body=b"abc"
    ),
    "denied with a short body": request(b"POST /denied HTTP/1.1", b"Content-Length: 3", body=b"abc")
    + _GET,
    "denied with a chunked body": request(
        b"POST /denied HTTP/1.1", _CHUNKED[:-2], body=b"1\r\nx\r\n0\r\n\r\n"
    )
    + _GET,
    "denied in a stream, short body": request(
        b"POST /denied-stream HTTP/1.1", b"Content-Length: 3", body=b"abc"
    )
    + _GET,
    "denied in a stream, chunked body": request(
        b"POST /denied-stream HTTP/1.1", _CHUNKED[:-2], body=b"1\r\nx\r\n0\r\n\r\n"
    ),
    "broken in handle": request(b"GET /broken HTTP/1.1") + _GET,
    "broken in begin with a body": request(
        b"POST /broken-early HTTP/1.1", b"Content-Length: 3", body=b"abc"
    )
    + _GET,
    "broken after start": request(b"GET /broken-late HTTP/1.1") + _GET,
    "http 1.0": request(b"GET /now HTTP/1.0", host=b""),
    "http 1.0 kept alive": request(b"GET /now HTTP/1.0", b"Connection: Keep-Alive") + _GET,
    "http 1.0 stream": request(b"GET /stream HTTP/1.0", b"Connection: keep-alive") + _GET,
    "upgrade is ignored": request(
        b"GET /now HTTP/1.1", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"
    )
    + _GET,
    "upgrade with a body": request(
        b"POST /now HTTP/1.1",
        b"Connection: upgrade",
        b"Upgrade: websocket",
        b"Content-Length: 2",
        body=b"{}",
    )
    + _GET,
    "body too large": request(b"POST /small HTTP/1.1", b"Content-Length: 11", body=b"x" * 11),
    "chunked body too large": request(
        b"POST /small HTTP/1.1", _CHUNKED[:-2], body=b"9\r\n123456789\r\n2\r\nxx\r\n0\r\n\r\n"
    ),
    "chunk size broken": request(b"POST /now HTTP/1.1", _CHUNKED[:-2], body=b"1\r\nx\r\nz\r\n"),
    "chunk end broken": request(b"POST /now HTTP/1.1", _CHUNKED[:-2], body=b"1\r\nxy\r\n0\r\n\r\n"),
    "good then malformed": _POST + b"GET / HTTP/1.1\r\nHost : x\r\n\r\n" + _GET,
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n" + _GET,
    "version": request(b"GET / HTTP/2.0"),
    "connect": request(b"CONNECT a.example:443 HTTP/1.1"),
    "unknown method": request(b"BREW /pot HTTP/1.1"),
    "tls hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "head too large": request(b"GET / HTTP/1.1", b"X: " + b"y" * 700),
    "too many headers": request(b"GET / HTTP/1.1", *[b"X: y"] * 25),
}


def response(line, *headers, body=b""):
    return line + b"\r\n" + b"".join(h + b"\r\n" for h in headers) + b"\r\n" + body


_OK = b"HTTP/1.1 200 OK"
# Name: (request head, bytes, does the upstream then close?)
_ASK = b"GET / HTTP/1.1\r\nhost: u\r\n\r\n"
RESPONSES = {
    "length": (_ASK, response(_OK, b"Content-Length: 5", b"X-A: 1 ", body=b"hello"), False),
    "length 0": (_ASK, response(_OK, b"Content-Length: 0"), False),
    "length, cut": (_ASK, response(_OK, b"Content-Length: 6", body=b"hello"), True),
    "length, closing": (
        _ASK,
        response(_OK, b"Content-Length: 5", b"Connection: close", body=b"hello"),
        True,
    ),
    "chunked": (
        _ASK,
        response(_OK, _CHUNKED[:-2], body=b"5\r\nhello\r\n1;e=f\r\n \r\n3\r\nyou\r\n0\r\n\r\n"),
        False,
    ),
    "chunked with trailers": (
        _ASK,
        response(_OK, _CHUNKED[:-2], body=b"1\r\nx\r\n0\r\nA: b\r\n\r\n"),
        False,
    ),
    "chunked, cut": (_ASK, response(_OK, _CHUNKED[:-2], body=b"5\r\nhello\r\n"), True),
    "chunked, broken": (_ASK, response(_OK, _CHUNKED[:-2], body=b"5\r\nhello\r\nzz\r\n"), False),
    "until close": (_ASK, response(_OK, b"Content-Type: text/plain", body=b"all of it"), True),
    "until close, 1.0": (_ASK, response(b"HTTP/1.0 200 OK", body=b"all of it"), True),
    "204": (_ASK, response(b"HTTP/1.1 204 No Content"), False),
    "304 with a length": (
        _ASK,
        response(b"HTTP/1.1 304 Not Modified", b"Content-Length: 9"),
        False,
    ),
    "head": (
        b"HEAD / HTTP/1.1\r\nhost: u\r\n\r\n",
        response(_OK, b"Content-Length: 9"),
        False,
    ),
    "interim first": (
        _ASK,
        response(b"HTTP/1.1 100 Continue")
        + response(b"HTTP/1.1 103 Early Hints", b"Link: </x>")
        + response(b"HTTP/1.1 503 Busy", b"Retry-After: 1", b"Content-Length: 2", body=b"no"),
        False,
    ),
    "repeated headers": (
        _ASK,
        response(_OK, b"X-A: 1", b"x-a: 2", b"Content-Length: 1", body=b"x"),
        False,
    ),
    "switching": (_ASK, response(b"HTTP/1.1 101 Switching Protocols", b"Upgrade: x"), False),
    "bytes after the end": (
        _ASK,
        response(_OK, b"Content-Length: 2", body=b"hi") + response(_OK, body=b"more"),
        False,
    ),
    "length and chunked": (
        _ASK,
        response(_OK, b"Content-Length: 2", _CHUNKED[:-2], body=b"0\r\n\r\n"),
        False,
    ),
    "coding unknown": (_ASK, response(_OK, b"Transfer-Encoding: gzip, chunked", body=b"x"), False),
    "not http": (_ASK, b"220 smtp.example ESMTP\r\n", False),
    "http 2": (_ASK, response(b"HTTP/2.0 200 OK", b"Content-Length: 0"), False),
    "bare line feeds": (_ASK, b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", False),
    "head too large": (_ASK, response(_OK, b"X: " + b"y" * 700), False),
    "too many headers": (_ASK, response(_OK, *[b"X: y"] * 25), False),
}
