"""The market: what models cost. A *price* is an immutable version for one model, in force from a
moment on until a newer one is; the *price book* is all of them.

Every usage event names the price it was rated with, so a price row is never changed or deleted (the
database refuses it, to the owner of the table too). A price says who is paid (its *seller*) and
whether anybody is charged at all; one that costs nothing says so, because a zero that nobody meant
gives things away. Prices come from people, from signed *price files*, from *margins* over what a
provider takes, and from sales. Whatever looks like a mistake becomes a *proposal* and waits.

What plans charge and how usage is rated is in `rules`, pure. What the prices apply to is read in
`readmodels`.
"""
