"""The gallery on disk or on PostgreSQL: schema, ledger, items, search, files."""
