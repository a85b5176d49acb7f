"""Nested leave-one-cluster-out: what choosing a configuration and an epoch is worth, honestly.

The table of trainings that an estimate rests on, and the estimate; searches live in `sie.search`.
"""
