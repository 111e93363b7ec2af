"""Reading rows: from the request of a scan to its plan, its requests, and its rows in order."""
