"""One file for each page: its routes, what it reads, and the frozen context its template gets.

A page is a function `routes(portal)` that returns a router. Handlers are plain functions, which run
in a thread, with one short transaction; the right is a required argument of the gate they depend
on. The one that goes on for minutes, the live list of requests, holds neither (see `live_tail`).
"""
