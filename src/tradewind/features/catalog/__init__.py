"""The catalog: publishers, their models, who offers them, and how they end.

A *model* is what a publisher makes and a client names ("publisher/slug"); an *alias* is another
name for it. A *version* is one immutable artifact of it; it can be pinned by label or digest. An
*offer* is the model at one host, with that host's name and price for it. A *fact* is one thing that
one *source* says of a model; a *sync* brings in what a source says, and a *held change* is one that
looks like its mistake and waits for a person. A *gated* model asks an organization to accept its
licence. The *life* of a model goes preview, ga, legacy, deprecated, retired (`rules.lifecycle`).

Invariants: the columns of a model are the strongest word among its facts; null is "nobody told",
and a price that nobody told is not free; nothing a list drops is deleted; what gateways check calls
against (operation, lengths) is pinned from the moment a model is served. What a call costs is
`market`'s, where a model runs is `deployments`', which names are one model is `folding`'s.

`service.Catalog` is what other features ask; `sync.Syncs`, `lives.Lives` and `licences.Licences`
are its smaller neighbours. Who may see a model is one condition, `repository.visibility`.
"""
