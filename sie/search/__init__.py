"""Hyperparameter search: spaces, budgets, Ray Tune, repeats, and the rules that pick winners."""
