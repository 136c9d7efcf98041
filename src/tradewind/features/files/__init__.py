"""Files that projects have uploaded to providers: whose they are, and what the provider calls them.

A *file* is a record here and bytes at a provider, under an account (a *connection*) that many
projects may share. Its *id* is ours; the *provider's id* is only ever sent to that provider.
Invariants: every statement names organization and project, so that nobody reaches what is another's
by knowing its id, ours or the provider's; a provider's id belongs to one record; a project has at
most so many files, and two uploads at once do not get past that. The bytes are never here.
"""
