"""Abuse: who uses models against people, what is done about it, and what went wrong otherwise.

Nouns: a *score* says how much of what a key or an organization sent was found to be harmful, in
windows of an hour, a day and a week, and its *evidence* is counts by category and band, never a
text; a *case* is a score that a person has to look at; a *look* at kept contents takes a *grant*,
with a reason, for an hour at most; an *appeal* is the organization's answer to a notice or a
suspension; an *opt-out* is a document that both sides signed, after which nobody looks; an
*incident* is something that went wrong, with a postmortem before it is closed; a *kill switch* ends
what an endpoint does at once; *feedback* is what callers thought of an answer. Invariants: keys for
red teaming are never counted; an organization sees its own score, what it is made of, and each look
at its contents; an organization is suspended by two people, and an appeal is decided by another one
than who suspended, but where the platform's operator allows self-reviews, which is written down;
what was decided is in a trail that nothing changes or removes. What is counted is read across
features, so it is handed in (`ports`).
"""
