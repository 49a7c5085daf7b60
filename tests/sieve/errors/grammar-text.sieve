redirect text: junk
a@example.com
.
;
