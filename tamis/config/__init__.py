"""config - the one configuration file, from TOML to frozen dataclasses.

`schema` holds what a program writes to describe its options, `load` reads the file, `command` is the flags
that every program shares. Every problem of a file is found in one run and names file, line, table and key.
"""
