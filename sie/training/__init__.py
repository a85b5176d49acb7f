"""Batches, optimiser, compiled epochs, scores and endings: how one network is trained.

Import from the modules: `trainer`, `program` and `optimiser` bring TensorFlow with them.
"""
