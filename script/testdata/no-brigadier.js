console.log("nothing is listening");
