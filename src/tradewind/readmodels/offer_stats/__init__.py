"""How well each model is served by each host, measured on the calls that passed through here.

Nouns: an *attempt* is one try at a host; the *first token* is how long a stream's first byte took
from when its host was asked, without our queue and without hosts that failed before; *speed* is how
many tokens a second came after that; a *minute* is down when calls were tried in it and none was
answered. *Hours* and *days* are sums over the calls that began in them, with a histogram of both
measures whose buckets grow by a twelfth each, so that sums of sums still tell a percentile, to
within one bucket.

Invariants. Everything here follows from the request log and the books: a sum is always made anew
from them and never added to, so that it may be made twice, late, or after a crash. Nothing is kept
per organization: the figures are of the host. This package alone writes its tables.
"""
