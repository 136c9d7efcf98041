"""What a subscription becomes, whether terms are worse, what both sides sign. Pure: the moment is
always given, and nothing here reads a clock.
"""
