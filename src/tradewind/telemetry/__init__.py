"""What a process tells of itself: its log, and the form of its numbers. Prompts, answers and
credentials are never in either.

`families` is what a metric is and how it is written; `genai` has the names that metrics and spans
share. The gateway's own numbers are in `gateway.metrics`, because they are made on the hot path.
"""
