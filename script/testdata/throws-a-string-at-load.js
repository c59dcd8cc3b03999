throw "no luck";
