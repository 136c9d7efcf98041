"""The plug-in family `sinks`: services outside to which usage is sent.

A *sink* turns *parcels* (the sum of a meter for a customer in an hour) into requests and reads what
an answer means. Members are pure: the worker makes the requests, to addresses it has checked.
Invariants: a parcel goes out under its own id each time, which the service takes once; an answer
that does not clearly say otherwise means "again later"; a credential is in no error and no repr.
"""
