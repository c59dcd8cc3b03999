console.log("log");
console.info("info");
console.warn("warn");
console.error("error");
console.log("two\nlines");
