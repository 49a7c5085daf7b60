require ["ereject", "reject"];

ereject "No.";
reject "No.";
