"""The HTTP API of the control plane, under `/api`: what programs may ask about their own project.

Nouns: a *call* is one authenticated request in one transaction; a *route* names the permission it
takes, or is on the short list of public ones; a *problem* is an error as RFC 9457 writes it.
Invariants: an API key is the only credential here and cookies are never read, so no page of another
site can act in someone's name; a key sees its own project and nothing else; every answer carries
the security headers and a request id; everything that grows has a limit.
Pages belong to the portal, model calls to the gateway, and rules to the features.
"""
