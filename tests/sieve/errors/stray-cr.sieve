keep "ab";
