"""Background work of the control plane: loops that run in threads of the worker's process.

Ships usage from the journal, publishes snapshots, reconciles deployments. A loop survives the
database going away, never raises out of `run`, and stops when its event is set. What a loop does is
a feature's; here is only when.
"""
