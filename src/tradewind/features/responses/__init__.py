"""Stored responses: what the Responses API keeps of a call so that a later one can go on from it.

A *stored response* is the object a client got and the items of its own request, with a *link* to
the one it went on from; a *chain* is a response and all those before it that are still there.
Invariants: every statement names organization and project, so that nobody reaches what is another's
by knowing its id; a row goes when it is deleted or its time is over, and takes all content with it;
a response that ran in the background changes until it has ended and never after. What a later
response holds of an earlier one is the link alone: deleting the earlier one leaves none of its text
behind, and a chain goes on with what is left of it.
"""
