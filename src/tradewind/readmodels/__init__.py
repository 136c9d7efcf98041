"""SELECT-only views across features: what pages, reports and the gateway's snapshot are made of."""
