"""
A first network
===============

Digits.
"""

import lamina

print(lamina.__version__)
