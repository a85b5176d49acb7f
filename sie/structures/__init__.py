"""Crystals as the models see them: oxidation states, representations, orbits, duplicates.

`oxidation.prepare`, `representations.represent`, `orbits.orbits`; sources are read elsewhere.
"""
