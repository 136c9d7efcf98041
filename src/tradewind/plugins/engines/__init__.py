"""The plug-in family `engines`: programs that serve a model. Planned, started, watched and ended by
the platform, never imported.

Nouns: an *engine* is a member of the family; a *launch spec* says which model to serve and how; a
*launch* is the plan made from it (command line, environment, address, credential), a pure function
of its arguments; a *replica* is one running launch; its *process* is what the operating system
knows of it. Invariants: an engine listens on a unix socket or on loopback and behind a random key;
no engine outlives the platform, however that ended; its log is bounded and holds no prompts; a
failure is told in one line. Which replicas there should be is decided in `features.deployments`.
"""
