"""What holds for every price: what one may be, which one is in force, what a price file may say,
and what a margin makes of a cost. Pure.

How usage is charged by the terms of a plan is in `core.pricing`, for all who rate it.
"""
