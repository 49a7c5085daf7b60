"""scanners - clients of those who judge content for us: clamd, rspamd and spamd."""
