"""checks - the milter's own: one file each, one row here."""

from milters.checks.antivirus import Antivirus
from milters.checks.attachments import Attachments
from milters.checks.authenticate import Authenticate
from milters.checks.content import Content
from milters.checks.dmarc import Dmarc
from milters.checks.footer import Footer
from milters.checks.from_field import From
from milters.checks.headers import Headers
from milters.checks.rewrite import Rewrite
from milters.checks.seal import Seal
from milters.checks.sign import Sign
from milters.checks.spam import Spam
from milters.checks.uris import Uris

CHECKS = {
    Authenticate.name: Authenticate,
    Dmarc.name: Dmarc,
    From.name: From,
    Content.name: Content,
    Attachments.name: Attachments,
    Headers.name: Headers,
    Rewrite.name: Rewrite,
    Footer.name: Footer,
    Sign.name: Sign,
    Seal.name: Seal,
    Antivirus.name: Antivirus,
    Spam.name: Spam,
    Uris.name: Uris,
}
