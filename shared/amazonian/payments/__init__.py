"""Chapter 3, payments: from "Buy" to the reconciled ledger, with nothing twice and nothing lost."""
