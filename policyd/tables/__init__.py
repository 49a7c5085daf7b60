"""tables - files that map clients, names and addresses to access(5) actions, in the text forms that Postfix reads."""
