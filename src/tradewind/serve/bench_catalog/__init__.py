"""`tradewind bench catalog`: what the search over a catalog of any size costs, on this machine.

A *seed* is what the catalog is filled with: the list that is shipped, folded, or models that are
made up. It goes into an embedded PostgreSQL of its own in a temporary folder, which is removed
afterwards; the running platform is never touched. Figures of questions are CPU time, of this
process and of its PostgreSQL backend together, so that what else the machine does hardly counts.
"""
