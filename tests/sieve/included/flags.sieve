require "imap4flags";
addflag "included";
