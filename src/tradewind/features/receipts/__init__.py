"""Receipts: of each call one that its buyer and its seller can check without the platform.

Nouns: a *receipt* says what was used, by which price, and what it came to; its two *parts* are the
`sale`, which whoever sells the model may read too, and the `buyer` part, which says who called and
where it was answered; a *chain* is all receipts of one organization, each with the hash of the one
before it; a *head* is a signed place in a chain; an *export* is a stretch of a chain with its heads
and a signed end. Invariants: a receipt that was made never changes (triggers refuse it); a chain
has no gap and no fork; a part is hashed with salt of its own, so that its digest, which is all that
others see of it, tells nothing; what is hashed and signed is canonical JSON (RFC 8785, of integers
and texts alone). Receipts are made beside the calls, from what the books say of them, and never
hold a prompt, an answer or what a host took.
"""
