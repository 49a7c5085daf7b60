require ["imap4flags", "fileinto", "include"];
include "flags";
if hasflag "included" { fileinto "INBOX"; }
