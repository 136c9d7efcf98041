"""Checks: what looks at a text and says what it found.

Nouns: a *content* is one text and where it comes from; a *finding* is a category with a severity
from 0 to 7, a score and the span it stands in; a *verdict* is what one check found in one content,
with the check's version. A *local* check is pure and works in the gateway's checker thread; a
*remote* check is a pure translation to and from a service's wire format, the gateway does the
asking; a *safety model* is a translation to and from chat with a deployment that classifies.
Invariants: a check decides nothing: what follows from a finding is the policy's to say; it never
keeps a text, and no finding and no error holds one; the time of a local check is linear in the
text; a check that cannot tell raises CheckFailed and never says "safe".
"""
