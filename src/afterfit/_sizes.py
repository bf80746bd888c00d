"""How large anything may be."""

MOST = 2**31 - 1
"""The most steps, examples, symbols or places of a layer: they are counted in 32 bits."""
