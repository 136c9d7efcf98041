"""Chat templates: what formats messages passes, what could reach further is refused."""

import pytest

from tradewind.features.artifacts.errors import FileRefused
from tradewind.features.artifacts.scan.chat_templates import check_template

# In the ways that published models write them.
CHATML = """{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' +
message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}
{{ '<|im_start|>assistant\n' }}{% endif %}"""
LLAMA = """{{- bos_token }}
{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}
{%- if not date_string is defined %}
  {%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y") %}
  {%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
  {%- set system_message = messages[0]['content']|trim %}{%- set messages = messages[1:] %}
{%- endif %}
{%- for t in tools %}{{- t | tojson(indent=4) }}{{- "\n\n" }}{%- endfor %}
{%- for message in messages %}
  {%- if not (message.role == 'ipython' or 'tool_calls' in message) %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}
  {%- elif message.tool_calls | length != 1 %}
    {{- raise_exception("This model only supports single tool-calls at once!") }}
  {%- endif %}
{%- endfor %}"""
QWEN = """{%- macro render(content) %}{%- if content is string %}{{- content }}{%- else %}
{%- for item in content %}{{- item.text }}{%- endfor %}{%- endif %}{%- endmacro %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
  {%- set index = (messages|length - 1) - loop.index0 %}
  {%- if ns.multi_step_tool and message.role == "user" %}
    {%- set ns.multi_step_tool = false %}{%- set ns.last_query_index = index %}
  {%- endif %}
{%- endfor %}
{%- for message in messages %}
  {%- set reasoning = message.content.split('</think>')[0].rstrip('\n').split('<think>')[-1] %}
  {%- if loop.last or (not loop.last and reasoning) %}{{- render(message.content) }}{%- endif %}
  {%- if messages[loop.index0 - 1].role != "tool" %}
    {%- generation %}{{ reasoning }}{% endgeneration %}{% endif %}
{%- endfor %}
{%- for key, value in tools[0].function.parameters.properties.items() %}
  {{- key ~ ': ' ~ value.type | default('any') }}{%- break %}
{%- endfor %}
{{- messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(', ') }}"""


@pytest.mark.parametrize("template", ["", "plain", CHATML, LLAMA, QWEN])
def test_templates_as_models_have_them_pass(template):
    check_template("a.jinja", template)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ ''.__class__ }}", "__class__"),
        ("{{ ''['__class__'] }}", "__class__"),
        ("{{ messages._private }}", "_private"),
        ("{{ ''|attr('__class__') }}", "filter 'attr'"),
        ("{{ ''|attr('_' ~ '_class__') }}", "filter 'attr'"),
        ("{{ x['_' ~ '_class_' ~ '_'] }}", "puts a key together"),
        ("{{ x['_%sclass' % '_'] }}", "puts a key together|formats"),
        ("{{ x['a'|replace('a', 'b')] }}", "key with the filter"),
        ("{{ x[['_', '_'].join('')] }}", "puts a key together"),
        ("{{ messages|map(attribute='__class__') }}", "two underscores|attribute"),
        ("{{ messages|map(attribute='a._b') }}", "attribute"),
        ("{{ messages|map(attribute=name) }}", "made while it is rendered"),
        ("{{ messages|map('attr', 'x') }}", "maps with a filter"),
        ("{{ messages|map(name) }}", "maps with a filter"),
        ("{{ messages|selectattr('_x') }}", "attribute"),
        ("{{ messages|groupby(name) }}", "made while it is rendered"),
        ("{{ messages|map(*names) }}", "cannot be seen"),
        ("{{ cycler }}", "'cycler'"),
        ("{{ joiner() }}", "'joiner'"),
        ("{{ lipsum(1) }}", "'lipsum'"),
        ("{{ self }}", "'self'"),
        ("{{ open('/etc/passwd') }}", "calls 'open'"),
        ("{{ eval('1') }}", "calls 'eval'"),
        ("{{ '{0.x}'.format(messages) }}", "'format'"),
        ("{{ '{0}'|format(messages) }}", "filter 'format'"),
        ("{{ '%99999999d' % 1 }}", "formats a text"),
        ("{{ messages.mro() }}", "'mro'"),
        ("{{ f.gi_frame }}", "gi_frame"),
        ("{{ (messages or 1)() }}", "made while it is rendered"),
        ("{% import 'a' as b %}", "loads another"),
        ("{% from 'a' import b %}", "loads another"),
        ("{% include 'a' %}", "loads another"),
        ("{% extends 'a' %}", "loads another"),
        ("{% block a %}{% endblock %}", "block"),
        ("{{ 9 ** 9 ** 9 }}", "raises to a power"),
        ("{{ 'a' * 100000000 }}", "multiplies"),
        ("{{ 'a'|indent(100000000) }}", "gives the filter"),
        ("{% for a in range(100000000) %}{% endfor %}", "counts to more"),
        ("{% for a in range(900 * 900) %}{% endfor %}", "counts to a product"),
        ("{% for a in range(9) %}" * 3 + "{% endfor %}" * 3, "loops in loops"),
        ("{% for a in x %}" * 7 + "{% endfor %}" * 7, "loops in loops"),
        ("{% for a in x recursive %}{{ loop(a) }}{% endfor %}", "recursive"),
        ("{{ x is nonsense }}", "'nonsense'"),
        ("{{ x | nonsense }}", "'nonsense'"),
        ("{% for %}", "cannot be parsed"),
        ("{{ " + "(" * 5000, "nested too deeply|cannot be parsed"),
        ("{{ -" + "-" * 20000 + "1 }}", "nested too deeply"),
        ("x" * 300_000, "longer than"),
    ],
)
def test_what_reaches_further_is_refused_with_the_reason(template, why):
    with pytest.raises(FileRefused, match=why) as caught:
        check_template("a.jinja", template)
    assert "a.jinja" in str(caught.value)
