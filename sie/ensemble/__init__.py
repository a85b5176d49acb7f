"""Ensembles of winners: chosen from MLflow, trained side by side, loaded by others to score.

`predictor.SuperionicEnsemble`; how candidates are judged lives in `sie.screening`.
"""
