"""Chapter 2, the e-commerce engine: one shop, from one user to millions."""
