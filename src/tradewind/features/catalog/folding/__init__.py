"""Folding: which of the entries of all hosts are one and the same model. Pure.

A *publisher* makes models; a *canonical name* is "publisher/slug", the slug written as the
publisher writes it. An *offer* is one entry of a host: the model, with what the host's id says
besides its name: *region*, *version* (a snapshot with a full date), *quantization* and *variant*
(free, thinking, fast: the same weights under other terms). A *fact* is one value with where it is
from. What cannot be told apart safely is *unfolded*, with a reason, and never guessed.

Invariants: the result does not depend on the order of the entries; a canonical name folds to
itself; no value is made up (what no source says stays None); two publishers never share a model.
`publishers.toml` is data: correct it when a fold is wrong, and add the row to the table of the
tests. Nothing here reads a clock, a network or a database.

A snapshot with a full date (`gpt-4o-2024-08-06`, `claude-sonnet-4@20250514`) is a version of its
model: makers sell it under the undated name too, at the same price and with the same card. A short
date is part of the name (`deepseek-r1-0528`, `qwen3-…-2507`, `command-r-08-2024`): weights of
their own were published under it.
"""
