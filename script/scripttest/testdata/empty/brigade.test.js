require("assert");
