"""Painters of things, by family. A painter speaks in parts of its box and touches all four sides of it."""
