true;
if keep { discard; }
