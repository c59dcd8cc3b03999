exports.a = "x"
