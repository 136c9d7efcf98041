"""Which header lines of a request go on to the upstream: few, by name, never a credential."""

# W3C Trace Context; what turns on features of a vendor's own dialect.
_PASSED_ON = (b"traceparent", b"tracestate", b"anthropic-beta", b"openai-beta")
_MOST_BYTES = 1024


def lines_to_pass_on(headers: dict[bytes, bytes]) -> bytes:
    """Return the lines, each with its CRLF; commonly none."""
    # Asked one by one, as most requests have none: a loop costs three times as much.
    if not (
        b"traceparent" in headers
        or b"tracestate" in headers
        or b"anthropic-beta" in headers
        or b"openai-beta" in headers
    ):
        return b""
    lines = b""
    for name in _PASSED_ON:
        value = headers.get(name)
        if value is not None and len(value) <= _MOST_BYTES:
            lines += b"%b: %b\r\n" % (name, value)
    return lines
