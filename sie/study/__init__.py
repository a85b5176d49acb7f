"""Everything that the article compares, step by step, on any dataset."""
