"""Shops of any shape under any demand, for hypothesis."""

from hypothesis import strategies as st

from amazonian.shop.capacity import Architecture, Demand

shapes = st.builds(
    Architecture,
    web=st.integers(1, 500),
    caches=st.integers(0, 5),
    local=st.booleans(),
    search=st.integers(0, 20),
    replicas=st.integers(0, 4),
    shards=st.integers(1, 30),
    pieces=st.sampled_from([1, 2, 8]),
)
demands = st.builds(Demand, st.floats(1e3, 1e8), st.sampled_from([0.0, 0.1, 0.3]))
