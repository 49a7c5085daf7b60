require "vacation-seconds";
vacation :seconds 0 :days 1 "x";
