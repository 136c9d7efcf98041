"""What safety decides without looking anywhere: which policies can be, what they say in words, and
what would have followed from what was found. Pure.
"""
