"""Labelled crystals: the sources, the `Database` record and its report; see `registry`."""
