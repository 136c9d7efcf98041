"""Which target answers a call, and in which order the others are tried.

A *plan* is made once a call and asked for one target after another. Conditions (region, zone, data
policy, price, required parameters, context) leave targets out and are never bent; health, load,
price and speed only order what is left. Pure but for what was seen of targets (`Router`).
"""
