"""`budgetai models`: models as things people have, look at, hand on and throw away."""
