require ["include", "variables"];
set "global.direct" "${global.direct} two";
