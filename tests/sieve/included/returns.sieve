require ["include", "variables"];
global "trail";
set "trail" "${trail} before";
if true { return; }
set "trail" "${trail} behind";
