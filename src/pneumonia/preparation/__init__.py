"""From raw films to the rows that an epoch draws: clean, split, rebalance."""
