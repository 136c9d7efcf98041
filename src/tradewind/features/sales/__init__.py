"""Sales: what publishers put up for sale, and what organizations have subscribed to.

Nouns: a *sale offer* is a model or an app that a publisher sells; a *plan* is one immutable version
of its terms; a *private offer* gives named organizations other terms for a time, and its *terms
hash* is what both sides sign; a *subscription* is an organization's, and goes from state to state;
an *event* is one move of it; a *span* is a time in which it has one plan and one quantity; a
*charge* is a fee, or a part of one, that billing puts on an invoice; a *confirmation* says which
person agreed to who pays.

Invariants: plans, events, charges, acceptances and confirmations are never changed (triggers, for
the owner of the tables too); a move is made at its own moment, however late anybody looks; two
workers make it once; a charge has a key that is its own for ever; an organization has one
subscription of an offer at a time, and one of a model.
"""
