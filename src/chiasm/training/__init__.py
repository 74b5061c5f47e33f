"""Training: recipes as values, stages as data, one loop for all of them."""
