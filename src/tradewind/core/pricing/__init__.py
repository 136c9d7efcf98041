"""What plans charge, and what usage comes to. A *charge* says how one meter is charged, *terms* are
all charges of a plan, *rated lines* are what comes of them for the usage of a term.

Pure: terms and quantities come in, exact lines go out. Nothing here knows an organization, an
invoice or the time.
"""
