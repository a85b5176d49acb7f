"""From crystals nobody has measured to a ranked list: scores, band gaps, novelty, on any cluster.

How crystals are scored lives in `sie.ensemble`; how the list is shown lives in `sie.reporting`.
"""
