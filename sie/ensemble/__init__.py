"""Ensembles of winners: chosen from MLflow, trained side by side, loaded by others to score.

What crystals are scored for, and how candidates are judged, lives in `sie.screening`.
"""
