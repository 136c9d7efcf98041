"""Deployments: which model version runs on which engine, and its replicas on this machine.

A *deployment* is desired state and survives everything; a *replica* is one running engine process
and is only ever a report of what is. The reconciler makes the one follow the other. Losing contact
with the database never stops a running replica.
"""
