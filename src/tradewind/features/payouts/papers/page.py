"""A statement as one HTML page without a script, to be read, printed or kept."""

from jinja2 import Environment, StrictUndefined

from tradewind.features.payouts.papers.words import line_words, paid_words, steps
from tradewind.features.payouts.schemas import StatementContent

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Statement {{ it.number }} of {{ it.publisher_name }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a1a1a; background: #fff }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid #ddd;
  vertical-align: top; font-weight: 400 }
thead th, .sum th, .sum td { font-weight: 700 }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.scroll { overflow-x: auto } small { color: #555 }
</style></head><body><main>
<h1>Statement {{ it.number }}</h1>
<p>{{ it.publisher_name }} ({{ it.publisher }}), in {{ it.currency }}, as of
{{ it.drawn_at.strftime("%Y-%m-%d %H:%M") }} UTC. {{ paid }}</p>
<div class="scroll"><table><thead><tr><th>What</th><th>Month</th><th class="n">Quantity</th>
<th class="n">Gross</th><th class="n">Fee</th><th class="n">Net</th></tr></thead><tbody>
{% for line, words in lines %}<tr><th scope="row">{{ words }}</th><td>{{ line.period }}</td>
<td class="n">{{ "{:,}".format(line.quantity) }}</td><td class="n">{{ line.gross }}</td>
<td class="n">{{ line.fee }}</td><td class="n">{{ line.net }}</td></tr>
{% else %}<tr><td colspan="6">Nothing came in since the statement before.</td></tr>
{% endfor %}</tbody></table></div>
<div class="scroll"><table><tbody>
{% for step in steps %}<tr{% if step.is_sum %} class="sum"{% endif %}><th scope="row">
{{ step.words }}</th><td class="n">{{ step.amount }}</td></tr>
{% endfor %}</tbody></table></div>
<p><small>Statement {{ it.id }}. SHA-256 of the content: {{ sha256 }}</small></p>
</main></body></html>
"""


def page(content: StatementContent, sha256: bytes) -> str:
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)
    return template.render(
        it=content,
        paid=paid_words(content),
        lines=[(line, line_words(line)) for line in content.lines],
        steps=list(steps(content)),
        sha256=sha256.hex(),
    )
