"""What holds for models whatever is stored of them: their life cycle, and how it is announced.

Pure: dates come in, decisions and texts go out.
"""
