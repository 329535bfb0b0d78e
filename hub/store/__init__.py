"""The database and nothing else: the embedded server, tables, copies, the ledger and migrations."""
