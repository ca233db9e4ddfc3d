"""Strategies and their hosts: what turns market data into signals. They never place orders."""
