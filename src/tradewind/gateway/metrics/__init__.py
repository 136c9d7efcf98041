"""The numbers of a gateway: integer adds on the path of a call, text only when it is scraped.

A *family* is a metric; a *series* is one with its labels. Series that a call adds to at once lie in
a *block*. All processes of a host share one list of series and have numbers of their own, in mapped
files that each of them can read: whichever is scraped answers for the host (docs/decisions, 0016).
Labels come from the catalog, from our own words, or from bounded lists; never from a request.
Beside this package `metrics_sampler` writes down what other parts count for themselves, and
`metrics_scrape` answers whoever may read.
"""

from tradewind.gateway.metrics.counts import Metrics

__all__ = ["Metrics"]
