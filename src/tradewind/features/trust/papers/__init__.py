"""A transparency note as a document: blocks, made of facts, and the formats they are written in.

Pure: the same facts are the same bytes. Whatever people wrote is text here, in no format may it
become markup.
"""
