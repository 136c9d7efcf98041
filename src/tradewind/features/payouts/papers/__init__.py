"""What a statement looks like: to people, and to their programs.

Every paper is made from the frozen content alone, so it can be made again at any time and always
says the same. Nothing here reads a table or the clock.
"""
