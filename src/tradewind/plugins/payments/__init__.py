"""The plug-in family `payments`: the services that take money from cards.

A *processor* opens *checkouts* (its own pages, so that no card number ever comes here), charges
saved cards and refunds, and sends *notices*. A notice is proved by its signature and
says only which object changed; what became of a payment is always read back (`standing`).
Invariants: every call that moves money carries an idempotency key made of our own id; no call is
made without a time limit; secrets are in no error and no repr. A bank transfer needs no member: its
statements are files, which `features.payments` reads.
"""
