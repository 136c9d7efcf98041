"""Red teaming: models attacked on purpose, so that what they let happen is known before users know.

A *campaign* is one exercise: a target, the seeds, strategies and converters it is attacked with,
and a budget. It is carried out by the worker with a tool of the family `plugins.redteam`, through
the public gateway, with a key of its own, once with our filter and once without. An *attack* is one
try for one seed; attacks are summed in *cells* by harm, strategy, converter and filter, each with
its rate of success (ASR) and a Wilson interval. A *data set* is what an organization brought along
itself, a *schedule* begins the same campaign again, a *reveal* is somebody reading a transcript,
with the reason, and is never deleted.

Invariants: what the filter stopped counts as blocked and never as a success; errors and attacks
without a verdict are counted apart and are in no rate; a finished attack is not made again; the
database holds no prompt and no answer, which stand in the evidence file alone; whoever may read
results may not therefore read transcripts.
"""
