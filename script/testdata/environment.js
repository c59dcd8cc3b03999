// env: GREETING=hello
console.log(process.env.GREETING, process.env.BRIGADE_BUILD_ID, process.env.HOME);
