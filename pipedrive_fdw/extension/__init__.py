"""What the SQL of the extension calls: IMPORT FOREIGN SCHEMA, and the requests of its functions."""
