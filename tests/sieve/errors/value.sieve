require ["editheader", "encoded-character"];
addheader "X-Control" "a${hex:01}b";
