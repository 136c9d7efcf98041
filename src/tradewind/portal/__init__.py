"""The portal: the pages a person sees, rendered on the server.

Nouns: a *page* is one file in `pages/` (its handlers and its frozen context) and one template of
the same name; the *shell* is what surrounds every page (navigation, theme, who is signed in); an
*asset* is a file under `/static`, read once at start, hashed and compressed; an *island* is a page
part whose state lives in the browser (playground, chart).

Invariants: a right is checked once, in the handler, before anything is read. Every POST carries the
session's CSRF token and comes from our own origin. No inline script or style exists, so the content
security policy stays strict. Money reaches a template as integer nanos and is formatted by
`formats.py`. State that a person may want to share or reload (search, range, grouping) lives in the
URL. Do not put rules of a feature here: a page asks the feature's service.
"""
