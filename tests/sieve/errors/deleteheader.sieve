require "editheader";
deleteheader :last "X";
