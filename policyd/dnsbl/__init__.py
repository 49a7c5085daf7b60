"""dnsbl - lists of addresses and domains that are asked over DNS (RFC 5782); the check is `policyd.checks.dnsbl`."""
