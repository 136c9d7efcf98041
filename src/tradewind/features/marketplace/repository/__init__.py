"""SQL of the marketplace: reported usage, operations of subscriptions, sinks."""
