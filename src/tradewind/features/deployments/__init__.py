"""Deployments: which model version runs on which engine, and its replicas on this machine.

Nouns: a *deployment* is desired state and survives everything; a *revision* is one launch spec of
it (version, engine, slots, context, threads) and never changes: a change makes another one. A
*replica* is one running engine process and is only ever a report of what is, with the *stage* it
has come to: queued, verifying, loading, warming up, ready. The *fit* of a spec is an estimate of
what it takes of this machine, shown as a sum.
Invariants: the reconciler makes what runs follow what is desired, and losing contact with the
database never stops a running replica; a revision that never becomes ready gives way to the last
good one by itself; a deployment that is estimated not to fit is made only when somebody says so,
and who said so is kept; a model whose life is ending is not deployed anew.
"""
