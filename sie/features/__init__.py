"""MEGNet vectors of crystals, one row per symmetry orbit, and the cache that keeps them.

`extract.compute_features`, `cache.cached_features`, `record.OrbitFeatures`; no training here.
"""
