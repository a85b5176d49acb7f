"""sie: hyperparameter search for crystal-structure classifiers that must extrapolate."""

__version__ = "0.1.0"
