"""Prompts and answers that an organization wants kept, on their way out of the gateway.

Off unless `Terms.content_days` says otherwise, and then a call costs one test more than before.
Nouns: a *kept call* gathers one call's request and answer in memory; the *log* redacts them in a
thread of its own and puts them into segments (`usage.content_segments`), which the worker ships.
Invariants: nothing reaches a disk that was not redacted; memory, folder and each text are bounded,
and beyond a bound content is dropped and counted; no call fails, or waits, because of it. Content
is never in the usage journal, in a log line, in a span or in an error.
"""
