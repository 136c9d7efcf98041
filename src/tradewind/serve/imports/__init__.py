"""Moves what other gateways are configured with over to this platform.

Nouns: a *plan* is what is to be made, read from a file by pure functions (`litellm`, `one_api`); a
*finding* is something the file says that was not taken, with the way out, or that a person should
know; an *outcome* is what came of a plan. Reading and making are kept apart, so that `--dry-run`
shows exactly what a run does.
Invariants: a file is hostile until parsed, and bounded; a key is a `Secret` from the moment it is
read, and is in no message, report or log; a run is one transaction; what is there already is never
changed but by adding to it, so that a second run changes nothing.
"""
