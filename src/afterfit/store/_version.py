"""Versions of what a store holds."""

FORMAT = 1
"""Layout of the folder and of its files. A store of a newer format is refused, never guessed at."""

RESULTS_VERSION = 1
"""Version of the numbers: raised by any change to the code that changes the results of a recipe.

Version History
    1    first release
"""
