"""Safety policies: what is looked at in prompts and answers, and what follows from what is found.

Nouns: a *policy* has rules and checks (`snapshot.safety` says what they are) and is *bound* to an
organization, a project, an endpoint or a deployment; each change is another *version* that says
who made it, when and why. The *default* is the policy of every organization that has bound none of
its own, the *floor* holds for all of them beside it; both are the platform's. A *blocklist* is
terms, a *custom category* is trained from examples, a *corpus* is protected texts with a licence
and a citation; what their checks need of them are *data*, bytes by their digest, which gateways
fetch. A *dry run* says what a changed policy would have done in the organization's own last week.

Invariants: a version is never changed or deleted; policies that hold together add up, and binding
one more weakens nothing; what a policy in force refers to cannot be deleted; a text that is tried
is never stored, and no finding holds a piece of one. Nothing here runs while a call waits: the
gateway has policies in its snapshot.
"""
