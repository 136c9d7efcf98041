"""Webhooks: what happens here, told to the programs of an organization by HTTP.

Nouns: an *event* is what a message of the outbox tells of, of one of a closed list of kinds; a
*destination* (in the API: a webhook) is a URL of an organization with the kinds it wants and a
signing secret; a *delivery* is one event on its way to one destination, with as many *attempts* as
it takes; the *overlap* is the day after a secret was replaced, in which both sign.
Invariants: an event is delivered at least once or visibly failed, and its `webhook-id` stays the
same over all attempts, so that receivers can tell a repetition; a signing secret is shown once, is
sealed (`db.vault`) before it reaches the database and leaves only for signing; of a receiver's
answer the status alone is kept. Requests are made by the worker; here is what is sent, to whom and
when again.
"""
