"""Plug-in families: where Tradewind meets programs and services that are not its own.

A *family* (`providers`, `engines`, `sources`, `payments`, `sinks`, `checks`, `redteam`) has a
protocol in `base.py`, its *members* in one file each, and a `registry.py` that names them; third
parties add members through entry points. A family imports the layers below and never another
family, so that each can be read, tested and replaced alone. One contract suite per family runs over
every member and its fake. Do not put a decision about tenants, keys, limits or prices here: a
plug-in knows only its own counterpart.
"""
