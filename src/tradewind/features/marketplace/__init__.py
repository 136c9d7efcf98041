"""Marketplace: what publishers' own programs say to the platform, and what it says to them.

Nouns: an *app* is a sale offer with a *landing page*, to which a *purchase token* brings a buyer,
and a webhook; an *operation* is a move of one of its subscriptions that its publisher is told of,
and some of which it may refuse; a *usage event* is what a publisher reports of a *dimension* (a
custom meter of a plan) for one hour; an *amendment* corrects one, signed. A *sink* is a service
outside to which usage is sent, a *parcel* one sum of an hour on its way there.

The wire is Azure's: metering API and SaaS fulfilment v2, version 2018-08-31.

Invariants: one usage event is accepted for a subscription, plan, dimension and hour; what was
accepted is never changed, and lies in a time in which its plan was in force, so it is charged; a
publisher's own change never costs a buyer more; an operation that was not refused within ten
seconds after it was delivered is carried out; every move is told at least once, under one id. What
was sent to a sink is written down before it is sent, with an id that stays: so nothing is counted
twice as far as the other side heeds ids, and nothing is lost.
"""
