require ["mime"];
if header :mime :type :subtype "a" "b" { discard; }
if header :type "a" "b" { discard; }
if header :anychild "a" "b" { discard; }
