"""The `tradewind` command: local verbs through `serve`."""
