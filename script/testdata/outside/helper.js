exports.where = "relative to the root";
