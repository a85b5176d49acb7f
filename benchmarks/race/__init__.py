"""The race of sie's engine against the stock way: both contestants, and how they are measured."""
