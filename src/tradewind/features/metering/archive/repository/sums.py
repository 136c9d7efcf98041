"""What a table and a file are asked, to be compared."""

SUMS = (
    "SELECT currency, provider_currency, count(*), count(*) FILTER (WHERE corrects IS NULL),"
    " sum(input_tokens), sum(cached_input_tokens), sum(cache_write_tokens), sum(output_tokens),"
    " sum(duration_us), sum(cost_nanos), sum(provider_cost_nanos)"
)
"""In the same words of both, before FROM and GROUP BY 1, 2. What is summed in the middle is
`rules.SUMMED`."""
