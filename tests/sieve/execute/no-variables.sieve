if header :is "subject" "${name}" { keep; } else { discard; }
