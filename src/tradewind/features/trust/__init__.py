"""Trust: what has to be shown of a model before it is listed or generally available, and by whom.

Nouns: a *subject* is what is released: a model, an offer, a policy, an adapter; a *gate* is one
thing that has to be shown of it; the *rules of release* say which gates a release has and what
their limits are, a version for each change; an *impact assessment* is a form with versions that
people decide about, two of them where a use is sensitive; a *waiver* lets a release through one
gate for a time; a *transparency note* is made of the facts that the platform has. Invariants: who
hands an assessment in does not decide about it, and who asks for a waiver does not grant it, but
where the platform's operator allows self-reviews, which is written down; a restricted use is never
waived; an assessment that was decided never changes, a change is another version and is decided
anew; what an approval was given for is looked at again after the time that the rules say, or when
the intended use changed; every move is in a trail that nothing changes or removes. What was
measured and who owns what is read across features, so it is handed in (`ports`).
"""
