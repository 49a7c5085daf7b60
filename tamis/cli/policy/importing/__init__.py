"""importing - readers of the configuration of other policy daemons, one file each: text to our checks. Pure."""
