require "editheader";
addheader "X Y:" "z";
