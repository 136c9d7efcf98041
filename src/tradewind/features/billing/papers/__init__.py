"""What a finalized invoice or credit note looks like: to people, their programs, and the state.

Every paper is made from the frozen content alone, so it can be made again at any time and always
says the same. Nothing here reads a table or the clock.
"""
