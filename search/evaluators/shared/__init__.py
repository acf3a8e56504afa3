"""Children that share one set of weights."""
