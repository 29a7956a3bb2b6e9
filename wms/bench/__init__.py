"""Benchmarks: run the product on public or generated problems and check every answer.

A checker in this room never calls the code that it judges.
"""
