"""What the gateway runs on: an immutable picture of keys, models, targets, limits, prices and
safety policies.

Nouns: a *grant* is what one key may do now; *terms* hold for an organization or a project; an
*endpoint* is a model name that clients call; a *target* is one place that can answer for it; a
*price* is an immutable price version; a *policy* is what holds for the safety of calls. The picture
is two files: the *base*, which all gateways of a host map into memory and decode on demand, and the
*changes* since, which they follow as they are appended. A *view* is a base with the changes laid
over it. One process writes (`store`), any number reads (`follow`); the gateway never asks the
database, and callers use `SnapshotView` alone.
Invariants: versions only grow; a view never changes; a base in place is never changed or cut, only
replaced by rename; what is damaged is refused and never guessed at. The files hold credentials of
targets and digests of keys: mode 0600, never logged.
"""
