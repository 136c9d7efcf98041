"""Which target answers a call, and in which order the others are tried.

A *plan* is made once a call and asked for one target after another. *Conditions* (region, zone,
data policy, price, parameters) leave targets out and are never bent; health, order, tier, price,
speed, affinity and load only order what is left, in this sequence. Every choice says *why* in a few
fixed words, and `explain` says it of every target, also outside a gateway: nothing in here knows
HTTP or a clock.

What was seen of targets is kept by replica (`Health`, `Speeds`, load), so that a restarted one
starts anew, and by endpoint (`Standing`: whose turn it is, which tiers spill). All of it is
bounded. Health alone never refuses a call: when all targets rest, the one that is due first is
tried.
"""
