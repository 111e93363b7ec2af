"""Custom fields: what they are, the columns that show them, and their values in both directions. Pure.

fields    definitions as the two Fields APIs give them → ``Field``
names     labels → column names
kinds     field types → columns and their SQL types
columns   fields → columns, and back from the OPTIONS of a column
reading   values of a record → values of a row, v2's shape and v1's
writing   rows → the part of a request body that changes the fields
"""
