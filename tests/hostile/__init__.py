"""Attacks: hostile answers of the API, hostile state files, addresses, keys and secrets.

``answers.py`` makes answers that go wrong in a way that knows their structure, ``account.py`` runs tables and
functions on them without PostgreSQL, ``raw.py`` sends bytes that no HTTP library would send. How many answers
the fuzz takes is said by the environment variable HOSTILE_ANSWERS (``make fuzz`` takes 20,000).
"""
