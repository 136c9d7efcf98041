"""Endpoints: the names that clients call, and the places that answer for each.

Nouns: an *endpoint* is a stable name for a model, with aliases, limits, conditions and a way to
choose; a *target* is one place that can answer for it: a deployment on this platform's own
engines, or a model at a connection to a provider. Targets stand in *tiers*: a higher one takes over
where the lower ones are full, slow or down, and within a tier calls are spread by weight.
Invariants: a name or alias leads to one endpoint only; an endpoint of everybody's names only
connections of the platform; a deployment answers only for its own model; a connection that targets
use is not deleted. What an endpoint costs is its model's price, which is the market's.
"""
