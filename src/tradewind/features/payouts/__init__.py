"""Payouts: what publishers earned, and how it reaches their accounts.

A *profile* says where a publisher is paid; *terms* what is withheld. A *statement* is what one
publisher earned in one currency since the statement before: opening, every line, what is still on
hold, tax and reserve withheld, and what is paid. A *payout* is one such amount on its way; a *run*
takes the payouts of one currency through preparing, approval by a second person, export, and
confirmation line by line. The *reserve* is held in *lots*, each by a payout, for a time. A *review
hold* stops everything of a publisher, with a reason.

Invariants: a statement adds up to the ledger's PAYABLE account to the nano, and begins where the
one before ended, at a number of an entry below which none is added any more; a statement, and the
file of a run once it is exported, never change; a payout is one entry of the ledger, made in the
transaction that makes the payout, and what fails is that entry reversed, so nothing is paid twice
and nothing is lost; whoever prepared a run does not approve it, unless the platform is run by one
person who said so, and then the run says it.
"""
