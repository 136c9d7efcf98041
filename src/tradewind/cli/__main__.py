"""`python -m tradewind.cli`: the command without its launcher."""

from tradewind.cli.app import main

main()
