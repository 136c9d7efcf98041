"""SQL of sales, by what it is about: offers with their plans, private offers, subscriptions, and
what billing asks. Everything takes the caller's transaction.
"""
