"""What the verbs of the Makefile do, where that is more than one command.

Run from the root of the checkout as `python -m scripts.<name>`. `environment` runs on the system's
Python before anything is installed, so it uses the standard library alone.
"""
