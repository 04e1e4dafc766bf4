"""An object store: buckets, versions, and payloads that outlive their devices."""
