"""milters - the milter: authenticates and edits messages while Postfix or Sendmail receives them."""
