require "duplicate";
if duplicate "x" { discard; }
if duplicate :seconds "a" { discard; }
if duplicate :handle 3 { discard; }
