require ["envelope", "fileinto"];
if allof (header "subject" "For the script", envelope "from" "bounce@example.com") { fileinto "INBOX"; }
