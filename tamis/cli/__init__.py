"""cli - the admin's command `tamis`: one file a command, one row in the table of `tamis.cli.__main__`."""
