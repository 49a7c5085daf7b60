"""attachments - what is attached to a message, and what is in it: names, real types, archives, macros."""
