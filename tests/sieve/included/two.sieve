require ["include", "variables"];
global "trail";
set "trail" "${trail} two";
include "one";
set "trail" "${trail} two-again";
