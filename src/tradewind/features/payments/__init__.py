"""Payments: money that organizations pay in, and what they hold with the platform.

A *wallet* is what an organization has paid ahead, or was given, in one currency: an account of the
ledger, which the database never lets be overdrawn. It is held in *lots*: what was paid, and
*credit* that was given and may expire. A *payment* is one attempt to pay in, by a processor or by
bank transfer; a *refund* sends a part of it back because somebody asked for it here; a *clawback*
is what the processor took back by itself: denied at a bank, or sent back at its own pages. A
*bank line* is a booking of a bank statement.

Invariants: nothing is posted because a message says so, only by what was read back from the
processor; every posting has a key made of what caused it, so that doing it twice is doing it once;
of an organization that pays ahead, gateways may together spend what the wallet holds and not a nano
more, for a hard budget of the platform follows it; whoever changes a wallet locks its row first.
Invoices belong to billing: they are paid through a port.
"""
