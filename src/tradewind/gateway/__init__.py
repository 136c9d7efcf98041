"""The data plane: one process that owns the public port and answers `/v1` itself.

It runs on a snapshot in memory and never touches the database. The main path of a call is
`handle.py`: read it first. What a name means for a key is found once for each snapshot (`lanes`). A
call is admitted (`admission`), tried at targets (`attempts`, `routing`) in a provider's bytes over
our own HTTP client, ended exactly once (`call`), and recorded (`record`) as one usage event, also
when it is cancelled or fails. Where safety policies hold, `guarding` stands between the host and
the client (`guard`). Every other path is relayed to the control plane (`relay`).
Invariants: callbacks, no task per request; nothing here blocks but one small write to the journal
file; bytes of an answer leave only after the frames they stand for are in the journal.
"""
