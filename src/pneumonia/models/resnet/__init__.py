"""A compact residual network."""
