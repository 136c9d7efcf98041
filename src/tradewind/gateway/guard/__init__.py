"""The safety policies of a call: what they have looked at, and what follows.

Nouns: the *guard* of a call is the union of the policies that hold for it, made once for each lane;
a *use* is one check with what the policies want of it; the *runner* has checks examine *contents*
(one text each, with where it comes from); what they found comes back as one *judgement*. A prompt
is examined while the upstream call already runs, an answer while it is written.
Invariants: a call without policies does not pay for this package; policies that are bound together
add up and never weaken each other; nothing of an answer goes out before the prompt was judged; a
check that is late, down or broken counts as a failure and never as "safe", and refuses the call
unless every policy that wants it lets calls pass; no check runs on the event loop; texts and what
stands in findings' spans are in memory of the call alone: never in logs, metrics or the journal.
What is pure (texts of requests and answers, judging, rewriting) is apart from what does I/O
(`runner`, `remote`, `check_data`); safety models, which are calls themselves, are asked from
outside (`gateway.safety_models`), as a call knows this package.
"""
