exports.index = "index of the root";
