"""The plug-in family `sources`: where facts about models, and what hosts take for them, come from.

A *source* reads lists that others keep (models.dev, a hub, a host's own list of models) into
*entries*: one model at one host, or one model that nobody is said to serve. It opens nothing: its
bytes come through an injected `Fetch`, so it can be tested with bytes alone. What it cannot read of
a list is counted with a reason (`Reading.skipped`); a list that is none raises SourceUnreadable.
Invariants: None in an entry is "the source does not say", which is neither no nor nothing; texts
and numbers of an entry are within the limits of `base`; an entry carries the source's name and day.
Which entries are one and the same model is the catalog's matter (`features.catalog.folding`).
"""
