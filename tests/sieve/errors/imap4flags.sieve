addflag "x";
if hasflag "x" { discard; }
keep :flags "x";
