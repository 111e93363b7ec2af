"""Input and output: requests, answers, pages, waits. Knows HTTP and envelopes, not Pipedrive's objects."""
