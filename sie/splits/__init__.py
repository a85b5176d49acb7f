"""Who trains, who validates, who is never seen: ElMD clusters, folds, hold-out, leakage.

Import from the modules; this file stays empty to keep the import light.
"""
