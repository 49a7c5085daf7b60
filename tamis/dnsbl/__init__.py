"""dnsbl - lists that are asked over DNS (RFC 5782): what their answers mean, and when not to ask them.

Who asks about what is the checks': `policyd.checks.dnsbl`, `milters.checks.uris`.
"""
