"""Who may do what: signatures, identities and policies."""
