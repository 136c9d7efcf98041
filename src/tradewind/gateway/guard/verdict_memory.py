"""What local checks said of texts before: a conversation comes again with each of its turns, and
an application's instructions with each of its calls.

A text is known by a keyed digest, so what is in here tells nothing of it; a verdict holds no text
anyway. What a check said holds for its version, its options and its data.
"""

import hashlib
import os
from collections import OrderedDict

from tradewind.gateway.guard.policies import Use
from tradewind.plugins.checks.base import Content, Verdict
from tradewind.snapshot.safety import Direction

MOST_VERDICTS = 20_000
"""About 200 bytes each."""
LONGEST_TEXT = 64 * 1024
"""Characters. A longer one is not looked up: the loop would stand still while it is digested."""
_DIGEST_BYTES = 16
_KEY_BYTES = 32


class VerdictMemory:
    """One for a gateway process. Used from the event loop."""

    def __init__(self, most: int = MOST_VERDICTS) -> None:
        self._most = most
        self._secret = os.urandom(_KEY_BYTES)
        self._verdicts: OrderedDict[bytes, Verdict] = OrderedDict()

    def __len__(self) -> int:
        return len(self._verdicts)

    def key_of(self, use: Use, content: Content) -> bytes | None:
        """Return what a verdict is kept by; None for a text that hardly comes again: an answer."""
        if (
            use.check is None
            or content.direction is Direction.COMPLETION
            or content.look_back
            or content.sources
            or len(content.text) > LONGEST_TEXT
        ):
            return None
        said = (
            use.name,
            use.check.version,
            *(part for item in sorted(use.options.items()) for part in item),
            *(reference.digest for reference in use.data),
            *(reference.name for reference in use.data),
            content.direction.value,
            str(content.is_from_operator),
            content.text,
        )
        digest = hashlib.blake2b(key=self._secret, digest_size=_DIGEST_BYTES)
        for part in said:
            raw = part.encode(errors="surrogatepass")
            # With its length in front, so that no two lists of parts are the same bytes.
            digest.update(b"%d:" % len(raw))
            digest.update(raw)
        return digest.digest()

    def find(self, key: bytes | None) -> Verdict | None:
        if key is None:
            return None
        found = self._verdicts.get(key)
        if found is not None:
            self._verdicts.move_to_end(key)
        return found

    def keep(self, key: bytes | None, verdict: Verdict) -> None:
        if key is None:
            return
        self._verdicts[key] = verdict
        if len(self._verdicts) > self._most:
            self._verdicts.popitem(last=False)
