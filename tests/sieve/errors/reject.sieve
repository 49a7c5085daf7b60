reject "x";
ereject "y";
