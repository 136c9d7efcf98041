"""A document as one HTML page without a script, to be read, printed or kept."""

from collections.abc import Callable

from jinja2 import Environment, StrictUndefined

from tradewind.features.billing.papers.words import (
    heading,
    party_lines,
    payment_reference,
    tax_words,
)
from tradewind.features.billing.schemas import Content, LineContent

LinkTo = Callable[[LineContent], str]
"""Returns where the usage of a line is shown."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ heading }} {{ it.number }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a1a1a; background: #fff }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid #ddd;
  vertical-align: top }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.parties { display: flex; flex-wrap: wrap; gap: 2rem; justify-content: space-between }
small { color: #555 } tfoot th, tfoot td { border: 0 } .total { font-weight: 700 }
.scroll { overflow-x: auto }
</style></head><body><main>
<h1>{{ heading }} {{ it.number }}</h1>
<div class="parties"><div>{% for line in issuer %}{{ line }}<br>{% endfor %}</div>
<div>{% for line in buyer %}{{ line }}<br>{% endfor %}</div></div>
<p>Date {{ it.issued_at.strftime("%Y-%m-%d") }}. Period
{{ it.period_start.strftime("%Y-%m-%d") }} to {{ it.period_end.strftime("%Y-%m-%d") }} (UTC).
{% if it.buyer_reference %}Your reference {{ it.buyer_reference }}.{% endif %}
{% if it.credits %}Takes back of invoice {{ it.credits }}: {{ it.reason }}.{% endif %}</p>
<div class="scroll"><table><thead><tr><th class="n">No.</th><th>What</th><th class="n">Quantity</th>
<th class="n">Exact</th><th class="n">Amount {{ it.currency }}</th></tr></thead><tbody>
{% for line, link in lines %}<tr><td class="n">{{ line.seq }}</td><td>
{% if link %}<a href="{{ link }}">{{ line.description }}</a>
{% else %}{{ line.description }}{% endif %}
<br><small>{{ line.hour_from.strftime("%Y-%m-%d %H:%M") }} to
{{ line.hour_to.strftime("%Y-%m-%d %H:%M") }}
{% for meter, quantity in line.evidence.quantities|dictsort %}
· {{ "{:,}".format(quantity) }} {{ meter }}{% endfor %}
{% for rated in line.evidence.rated %}<br>{{ rated }}{% endfor %}</small></td>
<td class="n">{% if line.unit %}{{ "{:,}".format(line.quantity) }} {{ line.unit }}{% endif %}</td>
<td class="n">{{ line.exact }}</td><td class="n">{{ line.amount }}</td></tr>
{% endfor %}</tbody><tfoot>
<tr><th colspan="4" class="n">Net <small>(exact {{ it.exact }}, rounded by
{{ it.rounding }})</small></th><td class="n">{{ it.net }}</td></tr>
<tr><th colspan="4" class="n">{{ tax }}</th><td class="n">{{ it.tax.amount }}</td></tr>
<tr class="total"><th colspan="4" class="n">Total</th>
<td class="n">{{ it.total }} {{ it.currency }}</td></tr></tfoot></table></div>
{% if it.payment_details and not it.credits %}<p>Please pay by
{{ it.due_at.strftime("%Y-%m-%d") }}.<br>{{ it.payment_details }}<br>
Reference: {{ reference }}</p>{% endif %}
<p><small>SHA-256 of the content: {{ sha256 }}</small></p>
</main></body></html>
"""


def page(content: Content, sha256: bytes, link_to: LinkTo | None = None) -> str:
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)
    return template.render(
        it=content,
        heading=heading(content),
        reference=payment_reference(content),
        issuer=list(party_lines(content.issuer)),
        buyer=list(party_lines(content.buyer)),
        tax=tax_words(content),
        lines=[(line, link_to(line) if link_to else "") for line in content.lines],
        sha256=sha256.hex(),
    )
