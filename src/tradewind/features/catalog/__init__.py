"""The catalog: publishers, their models, and the immutable versions of each.

A *model* is what a publisher makes and a client names ("publisher/slug"); a *version* is one
immutable artifact of it. What a model costs is `market`'s, where it runs is `deployments`'.
"""
