require ["envelope", "envelope-deliverby", "redirect-deliverby"];

redirect :bymode "notify" "a@example.org";
redirect :bytrace "a@example.org";
redirect :bytimerelative 5 :bytimeabsolute "2050-12-31T20:00:00Z" "a@example.org";
redirect :bytimeabsolute "soon" "a@example.org";
redirect :bytimerelative 5 :bymode "later" "a@example.org";
if envelope :localpart "bymode" "R" { stop; }
