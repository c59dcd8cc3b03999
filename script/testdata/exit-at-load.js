console.log("loading");
process.exit(4);
