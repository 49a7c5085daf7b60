"""demo - a private mail server on the loopback interface: stock Postfix and Dovecot with Tamis in between."""
