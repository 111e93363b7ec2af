"""INSERT, UPDATE and DELETE: from a row of PostgreSQL to a request, and from the answer to RETURNING."""
