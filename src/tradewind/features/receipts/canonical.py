"""What is hashed and what is signed of receipts. Pure.

Canonical JSON is that of RFC 8785 for what receipts are made of, which is objects, arrays, texts,
true, false, null and whole numbers: names in order, nothing between the tokens, UTF-8. Hashes are
SHA-256 in lower-case hex. A signature is Ed25519 over the DSSE pre-authentication encoding
(github.com/secure-systems-lab/dsse, protocol.md), which carries what kind of thing is signed.
"""

import hashlib
import json
from typing import Any

FORMAT = "tradewind-receipts-1"
NO_HASH = "0" * 64
"""What the first receipt of a chain has for the hash of the one before it."""
HEAD_TYPE = b"application/vnd.tradewind.receipt-head+json"
END_TYPE = b"application/vnd.tradewind.receipt-end+json"


def canonical(value: Any) -> bytes:
    return json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False
    ).encode()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def link_hash(chain: str, sequence: int, previous: str, sale: str, buyer: str) -> str:
    """Return the hash of a receipt; `sale` and `buyer` are the digests of its parts."""
    link = {
        "buyer": buyer,
        "chain": chain,
        "previous": previous,
        "sale": sale,
        "sequence": sequence,
    }
    return digest(canonical(link))


def signed_bytes(payload_type: bytes, payload: bytes) -> bytes:
    return b"DSSEv1 %d %b %d %b" % (len(payload_type), payload_type, len(payload), payload)
