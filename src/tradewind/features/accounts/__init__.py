"""Who may do what: organization > project > key, people, memberships, sign-in and sessions.

Nouns: an *organization* owns everything and is the tenant; a *project* groups keys and usage; a
*key* lets a program call models in one project; a *user* signs in, has a *role* in an organization
by a *membership*, and is a *viewer* for the time of one request.
Invariants: every statement about a tenant's things names the organization, and what belongs to
another one is not found. Keys, links and session tokens are stored as keyed digests only, passwords
as argon2id. Whatever the gateway must know (a key made, limited or revoked) is recorded as a change
in the same transaction. Services check permissions themselves; a caller cannot forget to.
Prices, usage and models do not belong here.
"""
