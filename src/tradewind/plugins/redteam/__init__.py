"""The plug-in family `redteam`: tools that attack models to find out what they let happen.

A *tool* (PyRIT, garak, the scripted fake) runs as a program of its own, in an environment of its
own: its *driver* takes one *job* and tells *attacks* as they end, one JSON line each. An attack
tries for one *seed* of a *harm*, with a *strategy*, its words changed by a *converter*, with our
filter on or off. Invariants: whatever was said stands in one SQLite file, the *evidence*, and
nowhere else; a line holds no prompt and no answer; a driver that was killed goes on from its
evidence. Members are pure: the worker starts the program.
"""
