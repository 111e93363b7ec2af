"""The documentation and its tests.

``python -m tests.docs`` (part of ``make docs``) writes what is generated: the parts of docs/ between markers,
and the pages of docs/tables. The tests fail when any of it is stale, when a link leads nowhere, and when an
SQL block or a command of any page does not do what the page says.

    markdown   blocks, marked parts and links of a page
    generate   the generated parts, from the catalogue and the options
    operations what an operation costs and which OAuth scopes it asks for, from the OpenAPI files
    runner     the SQL blocks of a page, run in a database of its own
"""
