require ["fcc", "vacation", "enotify"];

vacation :fcc "Sent" :create "mailbox is not required";
notify :flags "x" "mailto:a@example.org";
notify :fcc "Sent" :specialuse "\\Sent" "mailto:b@example.org";
