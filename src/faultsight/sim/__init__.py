"""A synthetic Internet provider: data with faults whose true place is known.

Each case depends on the seed and on its own number alone, so that case 7 is the same whether ten
cases are made or a thousand.
"""
