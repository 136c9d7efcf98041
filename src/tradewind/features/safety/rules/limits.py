"""The bounds of everything in safety that can grow."""

from datetime import timedelta

POLICIES_MAX = 200
"""Policies of one organization."""
RULES_MAX = 100
CHECKS_MAX = 20
DATA_MAX = 20
"""Lists, categories and corpora of one check."""
OPTIONS_MAX = 20
OPTION_NAME_MAX = 64
OPTION_MAX = 1_000
DEADLINE_MS_MIN, DEADLINE_MS_MAX = 10, 30_000
NAME_MAX = 80
WHY_MAX = 500
BOUND_MAX = 10
"""Policies bound to one thing."""
BINDINGS_MAX = 1_000
"""Things that one policy is bound to."""
FILE_BYTES_MAX = 256 * 1024
"""Of a policy as YAML."""

BLOCKLISTS_MAX = 100
ITEMS_MAX = 10_000
ITEMS_AT_ONCE = 100
TERM_MAX = 128
DESCRIPTION_MAX = 1_024

CATEGORIES_MAX = 50
EXAMPLES_MIN, EXAMPLES_MAX = 50, 5_000
"""Of what it is; of all of them together. More teach a linear model little."""
EXAMPLE_CHARACTERS_MAX = 2_000
RAPID_EXAMPLES_MAX = 1_000
RAPID_EXAMPLE_CHARACTERS_MAX = 500
DEFINITION_MAX = 1_000

CORPORA_MAX = 50
TEXTS_MAX = 1_000
TEXTS_AT_ONCE = 20
TEXT_CHARACTERS_MAX = 200_000
CORPUS_CHARACTERS_MAX = 10_000_000

TRIED_CHARACTERS_MAX = 50_000

DRY_RUNS_KEPT = 20
DRY_RUN_WINDOW = timedelta(days=7)
DRY_RUN_CALLS_MAX = 100_000
"""Calls with flags that are judged again."""
DRY_RUN_CONTENTS_MAX = 2_000
"""Calls of which the contents are looked at again: 6 ms of a core for each kilobyte."""
