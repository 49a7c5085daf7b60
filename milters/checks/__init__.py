"""checks - the milter's own: one file each, one row here."""

from milters.checks.authenticate import Authenticate

CHECKS = {
    Authenticate.name: Authenticate,
}
