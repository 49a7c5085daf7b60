"""policyd - the policy daemon: Postfix asks (check_policy_service), we answer."""
