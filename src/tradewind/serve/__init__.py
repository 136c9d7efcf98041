"""The composition root: settings in, services built once and handed down, processes started.

`up` runs everything on one machine: it owns the embedded PostgreSQL, the engines and three child
processes (gateway, control, worker), restarts what dies and stops all in order. Nothing below this
layer reads settings or builds a service.
"""
