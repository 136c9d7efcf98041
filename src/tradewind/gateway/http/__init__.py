"""HTTP/1.1 as the gateway speaks it: a server that faces the internet and a keep-alive client
for upstreams, on `asyncio.Protocol` and httptools (llhttp). Pure transport: no models, no JSON,
no keys.

An *exchange* is one request and its answer; the *application* is told of it (`begin`, `handle`)
and answers through it. A *call* is one request to an upstream; its *receiver* is told what comes
back. An upstream's *address* says how far it is trusted; the *dialer* connects to a host that
somebody typed the URL of, at public addresses only. A *connection* carries exchanges or calls one
after another. The *batch* collects every write of a loop turn; the *sweep* ends whatever passed its
deadline.

Invariants. Callbacks only: no task and no timer per request. How the bytes were cut into reads
never changes what happens. One exchange runs at a time on a connection, so answers leave in order.
Everything that can grow has a limit in `limits`. A request whose end another parser could see
elsewhere is refused and its connection closed. An answer that was not finished never looks so.
"""
