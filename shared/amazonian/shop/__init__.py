"""Chapter 2, the e-commerce engine: one shop, from one user to millions.

- Lab 2.1: ``catalogue``, ``users``, ``carts``, ``inventory``, ``orders``, as one ``monolith`` or as
  ``services`` behind a ``facade``; checkout as a ``saga``; ``contracts``.
- Lab 2.2: ``proxy`` with ``balancing``, ``health`` and ``shedding``.
- Lab 2.3: ``replication`` and ``failover``, ``postgres``, ``partitioning``, ``ring``, ``shards``
  and ``resharding``.
- Lab 2.4: ``queueing``, ``simulator``, ``usl``, ``layers``, ``growth``, ``prime_day``.
"""
