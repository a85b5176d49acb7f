"""Figures, tables and progress, one style; reads results, decides nothing."""
