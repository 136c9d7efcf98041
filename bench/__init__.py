"""Measure the gateway beside nginx on this machine: `make bench`, `make bench ARGS="--json"`.

Nouns: the *mock* is a model host in C that costs next to nothing; a *server* is what stands before
it (nginx as a plain reverse proxy, or the gateway with keys, limits and the journal on); a *round*
loads each server once, in turn, so that whatever else the machine does hits both. Figures are CPU
microseconds, which drift from machine to machine, so read the ratio to nginx of the same round.
Servers share one core, load and mock the other. Nothing here is a test: machines differ.
At the end the page of the catalog is opened in Chromium, on a platform with every shipped model.
"""
