"""One folder for each feature of the control plane. Order, low to high:

accounts < catalog < metering < content < market < budgets < providers < deployments < endpoints <
webhooks. A feature calls the `service` of lower ones, sends an outbox message upwards, and leaves
reading across features to `readmodels`.
Inside: routes | tasks > service > repository > tables > rules > schemas > errors.
"""
