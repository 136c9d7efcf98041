"""What a process tells of itself: its log. Prompts, answers and credentials are never in it.

The gateway's numbers are its own (`gateway.metrics`), because they are made on the hot path.
"""
